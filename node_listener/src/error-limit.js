// A page that fails in a loop must not fill the wire: each error is reported once a minute, and sixty of them at most.

const WINDOW = 60_000;
const PER_WINDOW = 60;

/**
 * @param {() => number} [now] milliseconds
 * @returns {(key: string) => boolean} whether this error may be reported
 */
export function createErrorLimit(now = Date.now) {
  /** @type {Set<string>} */
  let reported = new Set();
  let since = now();
  return (key) => {
    if (now() - since >= WINDOW) {
      reported = new Set();
      since = now();
    }
    if (reported.has(key) || reported.size >= PER_WINDOW) return false;
    reported.add(key);
    return true;
  };
}
