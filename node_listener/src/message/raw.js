// Reads values of untyped records: each function gives the type in its name, or null (false, an empty list) for anything else.

/** @typedef {Record<string, unknown>} Raw */

/**
 * @param {unknown} value
 * @returns {string | null} null also for empty text
 */
export function text(value) {
  return typeof value === 'string' && value !== '' ? value : null;
}

/**
 * @param {unknown} value a number, or a number as text (as durations are)
 * @returns {number | null}
 */
export function number(value) {
  const found = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof found === 'number' && Number.isFinite(found) ? found : null;
}

/**
 * @param {unknown} value
 * @returns {boolean} false also for what is missing
 */
export function flag(value) {
  return Boolean(value);
}

/**
 * @param {unknown} value
 * @returns {Raw | null} an object that is no list
 */
export function record(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
    ? /** @type {Raw} */ (value)
    : null;
}

/**
 * @param {unknown} value
 * @returns {unknown[]} empty for what is no list
 */
export function list(value) {
  return Array.isArray(value) ? value : [];
}
