// The child's options: one JSON object in an environment variable, checked before anything starts.
import { isAbsolute } from 'node:path';
import { record } from './message/raw.js';

export const OPTIONS_VARIABLE = 'LEADMASTERD_LISTENER';

/**
 * @typedef {object} Options
 * @property {string} profile absolute path of the browser profile
 * @property {string} browser absolute path of the browser
 * @property {string[]} browser_args added after our own
 * @property {string | null} user_agent null: made from the browser's version
 * @property {string | null} pairing_phone digits: link by a pairing code for this phone. Null: by QR
 * @property {boolean} presence_unavailable whether to announce after each connect that the account is not online
 * @property {boolean} groups whether groups are captured
 * @property {boolean} no_sandbox
 * @property {boolean} headless false: the browser opens a window
 * @property {string} instance names the daemon; among the browser's arguments, so that its processes can be found
 * @property {Timing} timing
 *
 * @typedef {object} Timing milliseconds
 * @property {number} heartbeat between two heartbeats, and between two looks at a page that is not attached yet
 * @property {number} authentication how long the library waits for the page to be up
 * @property {number} protocol how long puppeteer waits for an answer of the browser
 * @property {number} evaluate how long one of our evaluations in the page may take
 * @property {number} late how long after the library has attached a module may still be loaded; then it counts as missing
 */

/** Options that nothing can start with. The message names the key, its value and what it must be. */
export class BadOptions extends Error {}

/** @type {Timing} */
const TIMING = {
  heartbeat: 5_000,
  authentication: 120_000,
  protocol: 60_000,
  evaluate: 10_000,
  late: 300_000,
};

/**
 * Checks the options and fills in what is left out. Throws BadOptions at the first that is wrong or unknown.
 * @param {string | undefined} json the environment variable; undefined: it is not set
 * @returns {Options}
 */
export function readOptions(json) {
  const given = parse(json);
  refuseUnknown(given, KEYS, '');
  const timing = record(given.timing ?? {});
  if (timing === null) throw bad('timing', given.timing, 'an object of milliseconds');
  refuseUnknown(timing, Object.keys(TIMING), 'timing.');
  return {
    profile: path(given, 'profile'),
    browser: path(given, 'browser'),
    browser_args: texts(given, 'browser_args'),
    user_agent: textOrNull(given, 'user_agent', /\S/, 'text or null'),
    pairing_phone: textOrNull(given, 'pairing_phone', /^\d{7,15}$/, '7 to 15 digits, or null'),
    presence_unavailable: bool(given, 'presence_unavailable', true),
    groups: bool(given, 'groups', false),
    no_sandbox: bool(given, 'no_sandbox', false),
    headless: bool(given, 'headless', true),
    instance: textOrNull(given, 'instance', /^[\w.@-]+$/, 'letters, digits and ._@-') ?? 'default',
    timing: {
      heartbeat: milliseconds(timing, 'heartbeat'),
      authentication: milliseconds(timing, 'authentication'),
      protocol: milliseconds(timing, 'protocol'),
      evaluate: milliseconds(timing, 'evaluate'),
      late: milliseconds(timing, 'late'),
    },
  };
}

const KEYS = [
  'profile',
  'browser',
  'browser_args',
  'user_agent',
  'pairing_phone',
  'presence_unavailable',
  'groups',
  'no_sandbox',
  'headless',
  'instance',
  'timing',
];

/**
 * The options as given, not checked yet. Throws BadOptions for what is no JSON object.
 * @param {string | undefined} json
 * @returns {Record<string, unknown>}
 */
function parse(json) {
  if (json === undefined || json === '') throw new BadOptions(`cannot start: ${OPTIONS_VARIABLE} is not set`);
  let found;
  try {
    found = record(JSON.parse(json));
  } catch {
    found = null;
  }
  if (found === null) throw new BadOptions(`cannot start: ${OPTIONS_VARIABLE} must hold one JSON object`);
  return found;
}

/**
 * Throws BadOptions for a key that is not known: a mistyped one would be ignored.
 * @param {Record<string, unknown>} given
 * @param {string[]} known
 * @param {string} prefix of the key in the message: `timing.` or nothing
 */
function refuseUnknown(given, known, prefix) {
  for (const key of Object.keys(given)) {
    if (!known.includes(key))
      throw bad(prefix + key, given[key], `one of ${known.join(', ')}; this key is unknown`);
  }
}

/**
 * The error for an option that is wrong.
 * @param {string} key
 * @param {unknown} value
 * @param {string} must what it must be, for a person
 */
function bad(key, value, must) {
  return new BadOptions(`cannot start: option "${key}" is ${JSON.stringify(value)}, but must be ${must}`);
}

/**
 * Reads an option that must be an absolute path. Like the functions below it throws BadOptions for anything else.
 * @param {Record<string, unknown>} given
 * @param {string} key
 */
function path(given, key) {
  const value = given[key];
  if (typeof value !== 'string' || !isAbsolute(value)) throw bad(key, value, 'an absolute path');
  return value;
}

/**
 * Reads a list of texts; empty when it is left out.
 * @param {Record<string, unknown>} given
 * @param {string} key
 */
function texts(given, key) {
  const value = given[key] ?? [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
    throw bad(key, value, 'a list of text');
  return /** @type {string[]} */ (value);
}

/**
 * Reads a text of a certain form.
 * @param {Record<string, unknown>} given
 * @param {string} key
 * @param {RegExp} pattern
 * @param {string} must what it must be, for a person
 * @returns {string | null} null when it is left out or null
 */
function textOrNull(given, key, pattern, must) {
  const value = given[key] ?? null;
  if (value === null) return null;
  if (typeof value !== 'string' || !pattern.test(value)) throw bad(key, value, must);
  return value;
}

/**
 * @param {Record<string, unknown>} given
 * @param {string} key
 * @param {boolean} fallback when it is left out or null
 */
function bool(given, key, fallback) {
  const value = given[key] ?? fallback;
  if (typeof value !== 'boolean') throw bad(key, value, 'true or false');
  return value;
}

/**
 * Reads one of the times; its default when it is left out.
 * @param {Record<string, unknown>} timing
 * @param {keyof Timing} key
 */
function milliseconds(timing, key) {
  const value = timing[key] ?? TIMING[key];
  if (typeof value !== 'number' || !(value > 0)) throw bad(`timing.${key}`, value, 'milliseconds above 0');
  return value;
}
