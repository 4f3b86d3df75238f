// The canary: what a new build of WhatsApp Web has moved of what we rely on, told from a saved copy of its modules before
// an account runs it. Nothing of the copy is run.
//     make canary ARGS=FOLDER      or: node canary/main.js [--json] FOLDER
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { addHints, compare, wantedModules } from './compare.js';
import { BadCopy, openCopy } from './copy.js';
import { readLibrary } from './library.js';

const USAGE = 64;

/** @typedef {import('./compare.js').Comparison} Comparison */

/** @param {string} folder */
function check(folder) {
  const package_ = createRequire(import.meta.url).resolve('whatsapp-web.js/package.json');
  const library = readLibrary(join(dirname(package_), 'src'));
  const copy = openCopy(folder, wantedModules(library));
  say(`canary: reading ${copy.size} modules in ${folder}`);
  const found = compare(copy, library);
  addHints(found, copy, progress);
  return { modules: copy.size, found };
}

/**
 * @param {number} done
 * @param {number} all
 */
function progress(done, all) {
  if (process.stderr.isTTY) process.stderr.write(`\rcanary: looking for what is gone, ${done} of ${all} `);
  if (process.stderr.isTTY && done === all) process.stderr.write('\n');
  if (!process.stderr.isTTY && done === 0) say('canary: looking for what is gone in the other modules');
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/** @type {[keyof Comparison, string][]} */
const PARTS = [
  ['relies_on', 'What capture relies on'],
  ['library', 'What the library asks for'],
  ['guard', 'What the page guard wraps'],
  ['switches', 'Switches that choose between two ways of the page'],
];

/** @param {Comparison} found */
function describe(found) {
  return PARTS.flatMap(([part, title]) => {
    const rows = found[part];
    const count = (/** @type {string} */ answer) => rows.filter((each) => each.answer === answer).length;
    const heading = `${title}: ${count('there')} of ${rows.length} are there`;
    const told = rows.filter(({ answer }) => answer !== 'there').map(line);
    return [heading, ...told];
  });
}

/** @param {import('./compare.js').Row} row */
function line({ module, member, answer, costs, seen }) {
  const what = `${module}${member === '' ? '' : `.${member}`}`;
  const sign = answer === 'gone' ? 'GONE' : 'not found by reading:';
  const notes = [
    ...(costs === null ? [] : [`costs ${costs}`]),
    ...(seen.length === 0 ? [] : [`of that name: ${seen.join(', ')}`]),
  ];
  return `  ${sign} ${what}${notes.length > 0 ? `; ${notes.join('; ')}` : ''}`;
}

/** @returns {{json: boolean, folder: string}} */
function readArguments() {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1)
    throw new BadCopy('give one folder with a copy of the modules: make canary ARGS=FOLDER');
  return { json: values.json ?? false, folder };
}

try {
  const { json, folder } = readArguments();
  const { modules, found } = check(folder);
  const ok = found.relies_on.every(({ answer }) => answer !== 'gone');
  if (json) process.stdout.write(`${JSON.stringify({ ok, modules, ...found })}\n`);
  else process.stdout.write(`${describe(found).join('\n')}\n`);
  process.exitCode = ok ? 0 : 1;
} catch (error) {
  const usage = error instanceof BadCopy || /** @type {any} */ (error)?.code?.startsWith?.('ERR_PARSE_ARGS');
  if (!usage) throw error;
  say(/** @type {Error} */ (error).message);
  process.exitCode = USAGE;
}
