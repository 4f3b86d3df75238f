// The child's options: one JSON object in an environment variable, checked before anything starts.
import { isAbsolute } from 'node:path';
import { record } from './message/raw.js';

export const OPTIONS_VARIABLE = 'LEADMASTERD_LISTENER';

/**
 * @typedef {object} Options
 * @property {string} profile absolute path of the browser profile
 * @property {string} browser absolute path of the browser
 * @property {string[]} browser_args
 * @property {string | null} user_agent
 * @property {string | null} pairing_phone
 * @property {boolean} presence_unavailable
 * @property {boolean} groups
 * @property {boolean} no_sandbox
 * @property {boolean} headless false: the browser opens a window
 * @property {string} instance
 * @property {Timing} timing milliseconds
 *
 * @typedef {{heartbeat: number, authentication: number, protocol: number, evaluate: number, late: number}} Timing
 */

/** The message names the key, its value and what it must be. */
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
 * @param {string | undefined} json the environment variable
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
 * @param {Record<string, unknown>} given
 * @param {string[]} known
 * @param {string} prefix
 */
function refuseUnknown(given, known, prefix) {
  for (const key of Object.keys(given)) {
    if (!known.includes(key))
      throw bad(prefix + key, given[key], `one of ${known.join(', ')}; this key is unknown`);
  }
}

/**
 * @param {string} key
 * @param {unknown} value
 * @param {string} must
 */
function bad(key, value, must) {
  return new BadOptions(`cannot start: option "${key}" is ${JSON.stringify(value)}, but must be ${must}`);
}

/**
 * @param {Record<string, unknown>} given
 * @param {string} key
 */
function path(given, key) {
  const value = given[key];
  if (typeof value !== 'string' || !isAbsolute(value)) throw bad(key, value, 'an absolute path');
  return value;
}

/**
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
 * @param {Record<string, unknown>} given
 * @param {string} key
 * @param {RegExp} pattern
 * @param {string} must
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
 * @param {boolean} otherwise
 */
function bool(given, key, otherwise) {
  const value = given[key] ?? otherwise;
  if (typeof value !== 'boolean') throw bad(key, value, 'true or false');
  return value;
}

/**
 * @param {Record<string, unknown>} timing
 * @param {keyof Timing} key
 */
function milliseconds(timing, key) {
  const value = timing[key] ?? TIMING[key];
  if (typeof value !== 'number' || !(value > 0)) throw bad(`timing.${key}`, value, 'milliseconds above 0');
  return value;
}
