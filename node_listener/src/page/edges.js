// Runs in the page: small evaluations of live-path.js. They read the state that the library waits for as an event, and may
// miss, and take steps that the library does not take.

/**
 * @typedef {import('./page.js').Page} Page
 * @typedef {import('./page.js').Agent} Agent
 * @typedef {{namespace: string}} Config
 */

/**
 * How far a page load has come. Unlike an event this can be asked for at any time.
 * @param {Config} config
 */
export function probe(config) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {Agent | undefined} */
  const agent = page[config.namespace];
  let socket = null;
  try {
    socket = page.require('WAWebSocketModel').Socket;
  } catch {
    // not loaded yet
  }
  return {
    document: agent?.document ?? null,
    state: socket?.state ?? null,
    stream: socket?.stream ?? null,
    synced: Boolean(socket?.hasSynced),
    injected: Boolean(agent?.injected),
    helpers: typeof page.WWebJS !== 'undefined',
    attached: Boolean(agent?.attached),
  };
}

/**
 * Records that the library injected into this document: a navigation within it needs no second inject.
 * @param {Config} config
 */
export function markInjected(config) {
  /** @type {any} */ (globalThis)[config.namespace].injected = true;
}

/**
 * Asks the page for new QR codes once it has stopped showing any. The library's own attempt fails: it runs in Node, where there
 * is no window (Client.js:290), and calls `Cmd.refreshQR`, which is gone by 2026-04-27.
 * @param {number} tried how often this was done in vain since codes were last shown, so that each time another way is tried first
 * @returns {string | null} the way that was taken, null if this build has none of them
 */
export function refreshQr(tried) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {[string, () => unknown][]} */
  const ways = [
    ['WAWebLaunchSocketUtils', () => page.require('WAWebLaunchSocketUtils').refreshQR()],
    ['WAWebBackendEventBus', () => page.require('WAWebBackendEventBus').BackendEventBus.triggerRefreshQR()],
    ['WAWebCmd', () => page.require('WAWebCmd').Cmd.refreshQR()],
  ];
  for (let turn = 0; turn < ways.length; turn += 1) {
    const [name, ask] = ways[(tried + turn) % ways.length];
    try {
      ask();
      return name;
    } catch {
      // not in this build
    }
  }
  return null;
}

/**
 * Which of these modules the page does not have, or not yet. Our shims do not count.
 * @param {Config} config
 * @param {string[]} modules
 * @returns {{document: string | null, missing: string[]}} document: null before the page has loaded anything
 */
export function notLoaded(config, modules) {
  /** @type {Agent | undefined} */
  const agent = /** @type {any} */ (globalThis)[config.namespace];
  const missing = modules.filter((module) => {
    try {
      return !agent?.requireOriginal(module);
    } catch {
      return true;
    }
  });
  return { document: agent?.document ?? null, missing };
}

/**
 * Sends a heartbeat now, without waiting for the timer. A page that has reloaded meanwhile sends none yet.
 * @param {Config} config
 */
export function beatNow(config) {
  /** @type {any} */ (globalThis)[config.namespace].beat?.();
}
