// A page that fails in a loop must not fill the wire: the same error is told once a minute, and sixty in all.

const WINDOW = 60_000;
const PER_WINDOW = 60;

/**
 * @param {() => number} [now]
 * @returns {(key: string) => boolean} whether this one may be told
 */
export function createErrorLimit(now = Date.now) {
  /** @type {Set<string>} */
  let told = new Set();
  let since = now();
  return (key) => {
    if (now() - since >= WINDOW) {
      told = new Set();
      since = now();
    }
    if (told.has(key) || told.size >= PER_WINDOW) return false;
    told.add(key);
    return true;
  };
}
