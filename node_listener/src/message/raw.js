// Reads fields of untyped records: the right type, or null.

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
 * @returns {boolean}
 */
export function flag(value) {
  return Boolean(value);
}

/**
 * @param {unknown} value
 * @returns {Raw | null}
 */
export function record(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
    ? /** @type {Raw} */ (value)
    : null;
}

/**
 * @param {unknown} value
 * @returns {unknown[]}
 */
export function list(value) {
  return Array.isArray(value) ? value : [];
}
