// Writes the table of ways into README.md, between its two marks. Run it after a change of ways.js.

import { readFileSync, writeFileSync } from 'node:fs';
import { valuesOf, WAYS } from './ways.js';

const README = new URL('README.md', import.meta.url);
const START = '<!-- ways -->\n';
const END = '<!-- /ways -->';

const shown = (/** @type {unknown} */ value) =>
  `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;

/** @returns {string} */
export function drawWays() {
  const rows = Object.entries(WAYS).map(([name, way]) => {
    const { page, old, what, evidence, since } = way;
    const also = valuesOf(name).slice(2).map(shown);
    if ('number' in way) also.push('a number');
    const effect = 'atOnce' in way ? 'at once' : 'next load';
    return [`\`${name}\``, shown(page), shown(old), also.join(', '), what, effect, evidence, since];
  });
  const head = [
    'way',
    'page',
    'old',
    'also',
    'what it decides',
    'a change takes effect',
    'evidence',
    'since',
  ];
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return `${lines.join('\n')}\n`;
}

/** @param {string} readme @returns {string} */
export function withTable(readme) {
  const start = readme.indexOf(START) + START.length;
  return readme.slice(0, start) + drawWays() + readme.slice(readme.indexOf(END));
}

if (process.argv[1] === new URL(import.meta.url).pathname)
  writeFileSync(README, withTable(readFileSync(README, 'utf8')));
