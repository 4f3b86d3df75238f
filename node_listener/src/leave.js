// Stopping, in one function with a deadline: ask the browser to close, insist, say bye, let Node end by itself.
import { errorText, note } from './stderr.js';

/** How long the browser may take to write its profile and go. */
const BROWSER_GRACE = 10_000;
/** How long the last lines may take to be read. */
const READER_GRACE = 2_000;

/** @type {Record<string, number>} */
const STATUS = { stop: 0, stdin_closed: 0, signal: 0, browser_missing: 78 };
const FAILED = 70;

/**
 * @param {object} parts
 * @param {import('./wire.js').Wire} parts.wire
 * @param {() => void} parts.quiet stops what is ours: timers, sweeps, reading of stdin
 * @param {() => Promise<void>} parts.closeBrowser gracefully, so that localStorage survives
 * @param {() => void} parts.killBrowser every process of it
 */
export function createLeave({ wire, quiet, closeBrowser, killBrowser }) {
  /** @type {Promise<void> | null} */
  let leaving = null;

  /**
   * @param {string} reason
   * @param {string | null} detail
   */
  async function go(reason, detail) {
    process.exitCode = STATUS[reason] ?? FAILED;
    // process.exit() loses what is still in the pipe; only a Node that can't end by itself is forced
    setTimeout(() => process.exit(), BROWSER_GRACE + 2 * READER_GRACE).unref();
    quiet();
    try {
      await within(closeBrowser(), BROWSER_GRACE);
    } catch (error) {
      note('browser_did_not_close', errorText(error));
    }
    killBrowser();
    wire.send('bye', { reason, detail });
    await within(wire.drained(), READER_GRACE).catch(() => {});
    setTimeout(() => process.exit(), READER_GRACE).unref();
  }

  return {
    /**
     * The first reason counts.
     * @param {string} reason
     * @param {string | null} [detail]
     */
    leave(reason, detail = null) {
      leaving ??= go(reason, detail === null ? null : detail.slice(0, 500));
      return leaving;
    },
    get leaving() {
      return leaving !== null;
    },
  };
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {number} limit milliseconds
 * @returns {Promise<T>}
 */
export async function within(promise, limit) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${limit} ms`)), limit);
  });
  try {
    return await /** @type {Promise<T>} */ (Promise.race([promise, late]));
  } finally {
    clearTimeout(timer);
  }
}
