// A saved copy of a page that has everything we rely on: small modules in the shape in which public archives of WhatsApp
// Web keep them, made up here.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wantedModules } from '../../canary/compare.js';
import { readLibrary } from '../../canary/library.js';
import { GUARDED } from '../../src/boundary.js';
import { REQUIREMENTS, SWITCHES } from '../../src/compatibility.js';

/** @typedef {{[name: string]: Tree}} Tree members by name; none for a function */

const LIBRARY = readLibrary();

/** Every module that is looked for, with the members that are. */
function wholePage() {
  /** @type {Record<string, Tree>} */
  const page = Object.fromEntries(wantedModules(LIBRARY).map((name) => [name, {}]));
  const put = (/** @type {string} */ module, /** @type {string} */ path) => {
    let at = page[module];
    for (const step of path.split('.')) {
      const name = step.replace('*', 'Anything');
      at[name] ??= {};
      at = at[name];
    }
  };
  for (const [module, paths] of LIBRARY) for (const path of paths) put(module, path);
  for (const [module, paths] of Object.entries(GUARDED)) for (const path of paths) put(module, path);
  for (const { module, name } of REQUIREMENTS) put(module, name);
  for (const name of SWITCHES) put('WAWebABPropsConfigs', `ABPropConfigs.${name}`);
  return page;
}

/** @param {string} name @param {string} body */
export const moduleText = (name, body) =>
  `__d("${name}",["WALogger"],function(t,n,r,o,a,i,l){"use strict";\n${body}\n},98);\n`;

/** @param {Tree} tree @returns {string} */
function valueText(tree) {
  const inner = Object.entries(tree).map(([name, below]) => `${name}:${valueText(below)}`);
  return inner.length === 0 ? 'function(t){return t}' : `{${inner.join(',')}}`;
}

/**
 * Writes the copy into a folder.
 * @param {string} folder
 * @param {Record<string, string | null>} [changed] the text of a module; null: it is not there
 */
export function writeCopy(folder, changed = {}) {
  const events = REQUIREMENTS.flatMap(({ event }) => (event === undefined ? [] : [JSON.stringify(event)]));
  for (const [name, members] of Object.entries(wholePage())) {
    const lines = Object.entries(members).map(([member, below]) => `l.${member}=${valueText(below)};`);
    if (name === 'WAWebCmd') lines.push(`function e(t){[${events.join(',')}].forEach(t)}`);
    if (name === 'WAWebCallCollection') lines.push('l.calls=new Map();');
    if (name === 'WAWebMsgType') lines.push('l.MSG_TYPE={CHAT:"chat",STICKER_PACK:"sticker-pack"};');
    const text = name in changed ? changed[name] : moduleText(name, lines.join('\n'));
    if (text !== null) writeFileSync(join(folder, `${name.replaceAll('.', '_')}.js`), text);
  }
}
