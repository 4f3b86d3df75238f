// Limits reports of errors: a page that fails in a loop must not fill the wire.

/** In so many milliseconds each error is reported once, and at most PER_WINDOW different ones are. */
const WINDOW = 60_000;
const PER_WINDOW = 60;

/**
 * Makes a function that is asked before each report, and counts the error when it says yes.
 * @param {() => number} [now] milliseconds
 * @returns {(error: string) => boolean} whether this error may be reported
 */
export function createErrorLimit(now = Date.now) {
  /** @type {Set<string>} */
  let reported = new Set();
  let windowStart = now();
  return (error) => {
    if (now() - windowStart >= WINDOW) {
      reported = new Set();
      windowStart = now();
    }
    if (reported.has(error) || reported.size >= PER_WINDOW) return false;
    reported.add(error);
    return true;
  };
}
