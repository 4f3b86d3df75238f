// Run after all tests: counts what reached any stand-in of the run (standin/ledger.js), and fails when the library or our
// own code asked for a write other than the named one. It also fails when nothing at all was counted: then the file was not
// filled, and none in it would prove nothing.

import { readFileSync } from 'node:fs';

/** The one write: own presence becomes unavailable after each connect (docs/boundary.md). */
const NAMED = 'WAWebPresenceChatAction.sendPresenceUnavailable';

/**
 * @param {string} text of the file
 * @returns {{good: boolean, sentences: string[]}}
 */
export function judge(text) {
  /** @type {import('../../standin/ledger.js').Write[]} */
  const writes = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  const by = (/** @type {string} */ whom) => writes.filter((write) => write.by === whom);
  const names = by('listener').map((write) => `${write.module}.${write.function}`);
  const others = names.filter((name) => name !== NAMED);
  const [named, apart] = [names.length - others.length, by('apart').length];
  const sentences = [
    `writes asked for by the library or us: ${others.length} (the named one: ${named}; by tests that make something send, ` +
      `counted apart: ${apart}; by the page itself: ${by('page').length})`,
    ...new Set(others.map((name) => `${name} reached a stand-in`)),
  ];
  const counted = named > 0 && apart > 0;
  if (!counted)
    sentences.push('the count proves nothing: the named write or those counted apart are missing');
  return { good: counted && others.length === 0, sentences };
}

if (process.argv[1]?.endsWith('count-writes.js')) {
  const { good, sentences } = judge(readFileSync(process.argv[2], 'utf8'));
  for (const sentence of sentences) process.stdout.write(`-- ${sentence}\n`);
  process.exitCode = good ? 0 : 1;
}
