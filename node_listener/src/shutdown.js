// The shutdown, in one function with deadlines: stop our own parts, ask the browser to close, kill what is left of it, send
// `bye`, let Node end by itself.
import { errorText, note } from './stderr.js';
import { withTimeout } from './timeout.js';

/** Milliseconds the browser has to write its profile and exit. */
const BROWSER_GRACE = 10_000;
/** Milliseconds the daemon has to read the last lines. */
const READER_GRACE = 2_000;

/** @type {Record<string, number>} reason of `bye` -> exit status; FAILED for any other */
const EXIT_CODES = { stop: 0, stdin_closed: 0, signal: 0, browser_missing: 78 };
const FAILED = 70;

/** @typedef {ReturnType<typeof createShutdown>} Shutdown */

/**
 * Before the parts are registered by stopsFirst() and closesBrowser(), a shutdown only sends `bye`.
 * @param {import('./wire.js').Wire} wire
 */
export function createShutdown(wire) {
  /** @type {Promise<void> | null} null until a shutdown has begun */
  let shutdown = null;
  /** @type {(() => void)[]} */
  const stops = [];
  /** @type {{close: () => Promise<void>, kill: () => void}} */
  let browser = { close: async () => {}, kill() {} };

  /**
   * Sets the exit status and takes all steps; what fails on the way is logged, and the next step follows.
   * @param {string} reason
   * @param {string | null} detail
   */
  async function shutDown(reason, detail) {
    process.exitCode = EXIT_CODES[reason] ?? FAILED;
    // process.exit() loses what is still in the pipe, so it is only for a Node that has not ended by itself in time
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
     * Registers something of ours (a timer, a sweep, reading stdin) that the shutdown stops before it closes the browser.
     * @param {() => void} stop
     */
    stopsFirst(stop) {
      stops.push(stop);
    },

    /** Registers the browser that the shutdown closes. @param {{close: () => Promise<void>, kill: () => void}} browserProcess */
    closesBrowser(browserProcess) {
      browser = browserProcess;
    },

    /**
     * Starts the shutdown; a later call changes nothing, not even the reason.
     * @param {string} reason of `bye`, see docs/protocol.md
     * @param {string | null} [detail] cut at 500 characters
     * @returns {Promise<void>} resolves when `bye` is written
     */
    leave(reason, detail = null) {
      shutdown ??= shutDown(reason, detail === null ? null : detail.slice(0, 500));
      return shutdown;
    },

    /** Whether a shutdown has begun. */
    get leaving() {
      return shutdown !== null;
    },
  };
}
