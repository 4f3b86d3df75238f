// Shutdown in one function with deadlines: ask the browser to close, kill it, say bye, let Node end by itself.
import { errorText, note } from './stderr.js';
import { withTimeout } from './timeout.js';

/** Milliseconds the browser has to write its profile and exit. */
const BROWSER_GRACE = 10_000;
/** Milliseconds the daemon has to read the last lines. */
const READER_GRACE = 2_000;

/** @type {Record<string, number>} */
const EXIT_CODES = { stop: 0, stdin_closed: 0, signal: 0, browser_missing: 78 };
const FAILED = 70;

/** @typedef {ReturnType<typeof createShutdown>} Shutdown */

/**
 * @param {import('./wire.js').Wire} wire
 */
export function createShutdown(wire) {
  /** @type {Promise<void> | null} */
  let leaving = null;
  /** @type {(() => void)[]} */
  const stops = [];
  /** @type {{close: () => Promise<void>, kill: () => void}} */
  let browser = { close: async () => {}, kill() {} };

  /**
   * @param {string} reason
   * @param {string | null} detail
   */
  async function shutDown(reason, detail) {
    process.exitCode = EXIT_CODES[reason] ?? FAILED;
    // process.exit() loses what is still in the pipe, so it is only for a Node that cannot end by itself
    setTimeout(() => process.exit(), BROWSER_GRACE + 2 * READER_GRACE).unref();
    for (const stop of stops) stop();
    try {
      await withTimeout(browser.close(), BROWSER_GRACE);
    } catch (error) {
      process.exitCode = FAILED; // killed below, so its profile may be torn
      note('browser_did_not_close', errorText(error));
    }
    browser.kill();
    wire.send('bye', { reason, detail });
    await withTimeout(wire.drained(), READER_GRACE).catch(() => {});
    setTimeout(() => process.exit(), READER_GRACE).unref();
  }

  return {
    /**
     * Stops something of ours (a timer, a sweep, reading stdin) as the first step of a shutdown.
     * @param {() => void} stop
     */
    stopsFirst(stop) {
      stops.push(stop);
    },

    /** @param {{close: () => Promise<void>, kill: () => void}} browserProcess */
    closesBrowser(browserProcess) {
      browser = browserProcess;
    },

    /**
     * Starts the shutdown. Only the first reason counts.
     * @param {string} reason
     * @param {string | null} [detail]
     */
    leave(reason, detail = null) {
      leaving ??= shutDown(reason, detail === null ? null : detail.slice(0, 500));
      return leaving;
    },

    get leaving() {
      return leaving !== null;
    },
  };
}
