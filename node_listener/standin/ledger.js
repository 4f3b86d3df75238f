// What leaves through any stand-in of a test run, for whoever counts it at the end (test/support/count-writes.js).

import { appendFileSync } from 'node:fs';

/**
 * @typedef {object} Write
 * @property {'listener' | 'apart' | 'page'} by `page`: the page's own code, which announces itself when it connects. `apart`:
 *   a test that makes something send, such as the bare library. `listener`: all else
 * @property {string} module
 * @property {string} function
 */

/**
 * One JSON line in the file that STANDIN_WRITES names; nothing without it. It is there before the page has its answer.
 * @param {Write} write
 */
export function noteWrite(write) {
  const file = process.env.STANDIN_WRITES;
  if (file) appendFileSync(file, `${JSON.stringify(write)}\n`);
}
