// Writes the tables of the browser's arguments into docs/browser.md, between their marks. Run it after a change of flags.js.

import { readFileSync, writeFileSync } from 'node:fs';
import { FLAGS, NOT_TAKEN, OF_PUPPETEER } from '../../src/flags.js';

export const DOCUMENT = new URL('../../../docs/browser.md', import.meta.url);

/** @param {string[]} head @param {string[][]} rows */
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');

const TABLES = {
  flags: table(
    ['argument', 'why', 'what it costs', 'defined in'],
    FLAGS.map(({ flag, why, costs, source, blind }) => [
      `\`${flag}\``,
      blind ? `${why} (not in a window)` : why,
      costs,
      source,
    ]),
  ),
  puppeteer: table(
    ['argument', 'why capture needs it'],
    OF_PUPPETEER.map(({ flag, why }) => [`\`${flag}\``, why]),
  ),
  'not-taken': table(
    ['argument', 'why not'],
    NOT_TAKEN.map(({ flag, why }) => [`\`${flag}\``, why]),
  ),
};

/** @param {string} text of the document @returns {string} the same with the tables as they are now */
export function withTables(text) {
  return Object.entries(TABLES).reduce((before, [name, drawn]) => {
    const [start, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
    const from = before.indexOf(start);
    const to = before.indexOf(end);
    if (from < 0 || to < 0) throw new Error(`${DOCUMENT.pathname} has no place for the table ${name}`);
    return before.slice(0, from + start.length) + drawn + before.slice(to);
  }, text);
}

if (process.argv[1] === new URL(import.meta.url).pathname)
  writeFileSync(DOCUMENT, withTables(readFileSync(DOCUMENT, 'utf8')));
