// Keeps a wire line within its limit: first the raw record goes, then the text is cut, then every long value.

/** The longest line, in bytes of UTF-8, without its newline. */
export const MAX_LINE_BYTES = 1_048_576;
/** To what texts (in bytes) and lists (in entries) are cut when nothing else has made the line short enough. */
const LONGEST_TEXT = 512;
const LONGEST_LIST = 20;

/**
 * A line as JSON within the limit. Up to three steps are taken until it fits: `data`, the raw record, becomes null; `body` is cut;
 * every text and list is cut. The last two set `truncated`.
 * @param {Record<string, unknown>} line
 * @param {number} [limit] bytes
 * @returns {string}
 */
export function limitedJson(line, limit = MAX_LINE_BYTES) {
  let json = JSON.stringify(line);
  if (bytes(json) <= limit) return json;
  let smaller = line;
  if (smaller.data !== undefined && smaller.data !== null) {
    smaller = { ...smaller, data: null };
    json = JSON.stringify(smaller);
    if (bytes(json) <= limit) return json;
  }
  if (typeof smaller.body === 'string') {
    const room = limit - bytes(JSON.stringify({ ...smaller, body: '', truncated: true }));
    smaller = { ...smaller, body: cutText(smaller.body, room), truncated: true };
    json = JSON.stringify(smaller);
    if (bytes(json) <= limit) return json;
  }
  smaller = { .../** @type {Record<string, unknown>} */ (shorten(smaller)), truncated: true };
  return JSON.stringify(smaller);
}

/**
 * The longest prefix of a text whose JSON needs at most `room` bytes, never half a character.
 * @param {string} text
 * @param {number} room bytes
 * @returns {string}
 */
export function cutText(text, room) {
  const QUOTES = 2; // around JSON text
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (bytes(JSON.stringify(prefix(text, middle))) - QUOTES <= room) low = middle;
    else high = middle - 1;
  }
  return prefix(text, low);
}

/**
 * @param {string} text
 * @param {number} length
 * @returns {string} that prefix, or one less where it would split a surrogate pair
 */
function prefix(text, length) {
  const splits = /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(length - 1, length + 1));
  return text.slice(0, splits ? length - 1 : length);
}

/**
 * @param {unknown} value
 * @returns {unknown} the same shape, every long text and list cut
 */
function shorten(value) {
  if (typeof value === 'string') return cutText(value, LONGEST_TEXT);
  if (Array.isArray(value)) return value.slice(0, LONGEST_LIST).map(shorten);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, nested]) => [key, shorten(nested)]));
}

/** @param {string} text */
function bytes(text) {
  return Buffer.byteLength(text, 'utf8');
}
