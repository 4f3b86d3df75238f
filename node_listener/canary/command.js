// The command of the canary: its arguments, its answer, and what it says when it cannot give one.
import { parseArgs } from 'node:util';
import { addHints, compare, wantedModules } from './compare.js';
import { BadCopy, openCopy } from './copy.js';
import { readLibrary } from './library.js';

const USAGE = 64;

/** @typedef {import('./compare.js').Comparison} Comparison */

/**
 * What it writes to.
 * @typedef {{write: (text: string) => unknown, isTTY?: boolean}} Output
 */

/**
 * @param {string} folder
 * @param {Output} err
 */
function check(folder, err) {
  const library = readLibrary();
  const copy = openCopy(folder, wantedModules(library));
  err.write(`canary: reading ${copy.size} modules in ${folder}\n`);
  const found = compare(copy, library);
  addHints(found, copy, (done, all) => progress(err, done, all));
  return { modules: copy.size, found };
}

/**
 * @param {Output} err
 * @param {number} done
 * @param {number} all
 */
function progress(err, done, all) {
  if (err.isTTY) err.write(`\rcanary: looking for what is gone, ${done} of ${all} `);
  if (err.isTTY && done === all) err.write('\n');
  if (!err.isTTY && done === 0) err.write('canary: looking for what is gone in the other modules\n');
}

/** @type {[part: keyof Comparison, title: string, told?: string][]} */
const PARTS = [
  ['relies_on', 'What capture relies on'],
  ['library', 'What the library asks for'],
  ['guard', 'What the page guard wraps'],
  ['switches', 'Switches that choose between two ways of the page'],
  ['types', 'Types of messages', 'are known'],
];

/** @param {Comparison} found */
function describe(found) {
  return PARTS.flatMap(([part, title, told = 'are there']) => {
    const rows = found[part];
    const count = (/** @type {string} */ answer) => rows.filter((each) => each.answer === answer).length;
    const heading = `${title}: ${count('there')} of ${rows.length} ${told}`;
    const others = rows.filter(({ answer }) => answer !== 'there').map(line);
    return [heading, ...others];
  });
}

/** @param {import('./compare.js').Row} row */
function line({ module, member, answer, costs, seen }) {
  const what = `${module}${member === '' ? '' : `.${member}`}`;
  const sign = { gone: 'GONE', new: 'NEW', there: '', unread: 'not found by reading:' }[answer];
  const notes = [
    ...(costs === null ? [] : [`costs ${costs}`]),
    ...(seen.length === 0 ? [] : [`of that name: ${seen.join(', ')}`]),
  ];
  return `  ${sign} ${what}${notes.length > 0 ? `; ${notes.join('; ')}` : ''}`;
}

/**
 * @param {string[]} args
 * @returns {{json: boolean, folder: string}}
 */
function readArguments(args) {
  const { values, positionals } = parseArgs({
    args,
    options: { json: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1)
    throw new BadCopy('give one folder with a copy of the modules: make canary ARGS=FOLDER');
  return { json: values.json ?? false, folder };
}

/**
 * @param {string[]} args as typed
 * @param {Output} out for the answer
 * @param {Output} err for what is told beside it
 * @returns {number} the exit status
 */
export function canary(args, out, err) {
  try {
    const { json, folder } = readArguments(args);
    const { modules, found } = check(folder, err);
    const ok = found.relies_on.every(({ answer }) => answer !== 'gone');
    out.write(json ? `${JSON.stringify({ ok, modules, ...found })}\n` : `${describe(found).join('\n')}\n`);
    return ok ? 0 : 1;
  } catch (error) {
    const usage =
      error instanceof BadCopy || /** @type {any} */ (error)?.code?.startsWith?.('ERR_PARSE_ARGS');
    if (!usage) throw error;
    err.write(`${/** @type {Error} */ (error).message}\n`);
    return USAGE;
  }
}
