// The daemon's commands: JSON lines on stdin. No command sends anything to WhatsApp. An unknown or malformed one changes nothing
// and is answered with `command_error`.
import { record } from './message/raw.js';

/**
 * @typedef {object} SweepCommand
 * @property {'sweep'} type
 * @property {number} sweep its number, which its lines carry
 * @property {number} from seconds: read what is newer, in chats that `chats` does not name
 * @property {number} [changes_from] seconds: of older messages, read those since then that were edited or revoked
 * @property {Record<string, number>} chats chat -> seconds from which on to read it
 * @property {string[]} ignore chats that are not read
 *
 * @typedef {SweepCommand | {type: 'pairing_code', phone: string} | {type: 'check_page', check: number}
 *   | {type: 'stop'}} Command
 * @typedef {{command: Command} | {error: {command: string, message: string}}} Parsed
 */

const KNOWN = ['sweep', 'pairing_code', 'check_page', 'stop'];
const MAX_COMMAND_CHARACTERS = 8 * 1024 * 1024;

/**
 * Reads and checks one command. Never throws: a line that is not a command becomes an error that says what it must be.
 * @param {string} line
 * @returns {Parsed}
 */
export function parseCommand(line) {
  let found;
  try {
    found = record(JSON.parse(line));
  } catch {
    return refuse('', 'a command must be one JSON object a line');
  }
  if (found === null) return refuse('', 'a command must be one JSON object a line');
  const type = typeof found.type === 'string' ? found.type : '';
  switch (type) {
    case 'sweep':
      return parseSweep(found);
    case 'pairing_code':
      return typeof found.phone === 'string' && /^\d{7,15}$/.test(found.phone)
        ? { command: { type, phone: found.phone } }
        : refuse(type, '"phone" must be 7 to 15 digits, international, without signs');
    case 'check_page':
      return isNumber(found.check)
        ? { command: { type, check: found.check } }
        : refuse(type, '"check" must be a number');
    case 'stop':
      return { command: { type } };
    default:
      return refuse(type, `unknown command ${JSON.stringify(type)}; known: ${KNOWN.join(', ')}`);
  }
}

/**
 * @param {Record<string, unknown>} found
 * @returns {Parsed}
 */
function parseSweep(found) {
  const { sweep, from, changes_from, chats = {}, ignore = [] } = found;
  if (!isNumber(sweep)) return refuse('sweep', '"sweep" must be a number');
  if (!isNumber(from)) return refuse('sweep', '"from" must be seconds since 1970');
  if (changes_from !== undefined && !isNumber(changes_from)) {
    return refuse('sweep', '"changes_from" must be seconds since 1970');
  }
  const starts = record(chats);
  if (starts === null || !Object.values(starts).every(isNumber)) {
    return refuse('sweep', '"chats" must be an object of chat to seconds');
  }
  if (!Array.isArray(ignore) || !ignore.every((chat) => typeof chat === 'string')) {
    return refuse('sweep', '"ignore" must be a list of chats');
  }
  const times = /** @type {Record<string, number>} */ (starts);
  const command = { type: /** @type {const} */ ('sweep'), sweep, from, chats: times, ignore };
  return { command: changes_from === undefined ? command : { ...command, changes_from } };
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isNumber(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

/**
 * @param {string} command its type, empty when the line has none
 * @param {string} message
 * @returns {Parsed}
 */
function refuse(command, message) {
  return { error: { command, message } };
}

/**
 * Splits a stream into lines. A line longer than any command is skipped as a whole and reported once; empty lines are skipped,
 * and so is a last line without its newline.
 * @param {NodeJS.ReadableStream} stream
 * @param {{line: (line: string) => void, tooLong: () => void, end: () => void}} on end: may be called more than once
 */
export function readLines(stream, on) {
  let rest = '';
  let skipping = false;
  stream.setEncoding('utf8');
  stream.on('data', (chunk) => {
    const pieces = (rest + chunk).split('\n');
    rest = pieces.pop() ?? '';
    for (const piece of pieces) {
      if (skipping) skipping = false;
      else if (piece.trim() !== '') on.line(piece);
    }
    if (rest.length > MAX_COMMAND_CHARACTERS) {
      if (!skipping) on.tooLong();
      skipping = true;
      rest = '';
    }
  });
  stream.on('end', on.end);
  stream.on('close', on.end);
  stream.on('error', on.end);
}
