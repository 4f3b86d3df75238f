// The stand-in's options and their defaults. Times are in milliseconds.

import { completeWays } from './ways.js';

/**
 * @typedef {import('./ways.js').Ways} Ways
 * @typedef {import('./ways.js').Side} Side
 * @typedef {'serialized' | 'dollar' | 'unknown'} Shape
 *
 * @typedef {object} StandinOptions
 * @property {Shape} keyShape where message keys carry their text: in `_serialized`, in `$1` as WhatsApp Web does since
 *   2026-07 (wwebjs#201848), or under an unknown name, as after the next rename
 * @property {Shape} widShape the same for chat and user ids. WhatsApp Web has not renamed these yet
 * @property {string} version what `Debug.VERSION` says
 * @property {number} qrFirst how long the first QR reference of a page is valid
 * @property {number} qrPeriod how long each later one is
 * @property {number} pageSize messages that one `loadEarlierMsgs` brings
 * @property {number} retry pause of the page before it tries a lost connection again; doubles up to ten times this
 * @property {Ways} ways how it behaves where that was in doubt (ways.js)
 * @property {number} historyMs with the way `history: chunks`, how long the chunks after hasSynced take
 * @property {number} syncLimitMs how long the page waits for its first history before it unlinks itself
 * @property {number} lateMs with the way `modules: two_waves`, when the second wave comes
 * @property {number} resumeMs pause between two messages of a nonblocking resume: the page decrypts each
 * @property {number} loadRetry pause after the first failed try of `loadEarlierMsgs`; doubles with each of the four
 * @property {number} passkeyLimit how long each stage of a passkey step may last
 * @property {number} codeLimit with the way `pairing_limits`, how long a pairing code is good
 * @property {boolean} autoPresence the page announces when it connects whether the account is there, as the real one does
 * @property {boolean} apart a test makes something send here, so what is sent is counted apart (ledger.js)
 * @property {number} pagePort port of the HTTPS server, 0 for any
 * @property {number} controlPort port of the control interface, 0 for any
 *
 * @typedef {Partial<Omit<StandinOptions, 'ways'>> & {ways?: Side | (Partial<Ways> & {side?: Side})}} GivenOptions `ways`:
 *   all of one side, or single ones over those of `side`
 */

/** @type {StandinOptions} */
export const DEFAULTS = {
  keyShape: 'serialized',
  widShape: 'serialized',
  version: '2.3000.1043220887',
  qrFirst: 60_000,
  qrPeriod: 20_000,
  pageSize: 50,
  retry: 200,
  ways: completeWays(),
  historyMs: 3000,
  syncLimitMs: 180_000,
  lateMs: 800,
  resumeMs: 5,
  loadRetry: 1000,
  passkeyLimit: 120_000,
  codeLimit: 180_000,
  autoPresence: true,
  apart: false,
  pagePort: 0,
  controlPort: 0,
};

/**
 * Fills in the defaults and refuses unknown options: a mistyped one would silently test something else.
 * @param {GivenOptions} given
 * @returns {StandinOptions}
 */
export function completeOptions(given) {
  for (const name of Object.keys(given)) {
    if (!(name in DEFAULTS)) {
      throw new Error(
        `cannot start the stand-in: unknown option ${name}; known: ${Object.keys(DEFAULTS).join(', ')}`,
      );
    }
  }
  const options = { ...DEFAULTS, ...given, ways: completeWays(given.ways) };
  checkShape(options.keyShape);
  checkShape(options.widShape);
  return options;
}

/**
 * @param {unknown} shape
 * @returns {Shape}
 */
export function checkShape(shape) {
  if (shape === 'serialized' || shape === 'dollar' || shape === 'unknown') return shape;
  throw new Error(
    `cannot use the shape ${JSON.stringify(shape)}: it must be "serialized", "dollar" or "unknown"`,
  );
}
