// A saved copy of the page's modules: a folder with one file a module, named as the module is, with dots as underscores.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readModule } from './shapes.js';

/** The folder can't be used: a sentence that says why. */
export class BadCopy extends Error {}

/**
 * @param {string} folder
 * @param {string[]} wanted modules that a copy must have, most of them at least
 */
export function openCopy(folder, wanted) {
  let files;
  try {
    files = new Set(readdirSync(folder).filter((name) => name.endsWith('.js')));
  } catch (error) {
    const code = /** @type {NodeJS.ErrnoException} */ (error).code;
    const why = { ENOENT: 'there is no such folder', ENOTDIR: 'it is no folder' }[code ?? ''] ?? code;
    throw new BadCopy(`cannot read ${folder}: ${why}; give the folder that holds the modules, one file each`);
  }
  if (files.size === 0)
    throw new BadCopy(`cannot use ${folder}: it holds no .js file; give the folder that holds the modules`);
  const there = wanted.filter((name) => files.has(fileOf(name)));
  if (there.length === 0)
    throw new BadCopy(`cannot use ${folder}: none of its ${files.size} files is a module of WhatsApp Web`);
  if (there.length < wanted.length / 2)
    throw new BadCopy(
      `cannot use ${folder}: only ${there.length} of ${wanted.length} modules that we need are there, ` +
        'so the copy is not whole; make it again',
    );

  /** @type {Map<string, ReturnType<typeof readModule>>} */
  const read = new Map();

  /** @param {string} name */
  const text = (name) => readFileSync(join(folder, fileOf(name)), 'utf8');

  return {
    size: files.size,
    /** Names of all modules, as far as their files tell. */
    names: () => [...files].map((file) => file.slice(0, -3)),
    text,
    /**
     * @param {string} name
     * @returns {ReturnType<typeof readModule>} null: the copy has no such module
     */
    load(name) {
      if (!files.has(fileOf(name))) return null;
      if (!read.has(name)) read.set(name, readModule(text(name)));
      return read.get(name) ?? null;
    },
  };
}

/** @param {string} module */
function fileOf(module) {
  return `${module.replaceAll('.', '_')}.js`;
}
