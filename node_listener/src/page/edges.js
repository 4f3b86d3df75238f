// Runs in the page: the state that the library waits for as an event, and may miss, and the steps past it.

/**
 * @typedef {import('./page.js').Page} Page
 * @typedef {import('./page.js').Agent} Agent
 * @typedef {{namespace: string}} Config
 */

/**
 * Where a page load stands. This can be asked at any time, unlike the library's events.
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
    synced: Boolean(socket?.hasSynced),
    injected: Boolean(agent?.injected),
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
 * While WWebJS is defined the library skips attaching its listeners and says ready all the same: CONNECTED, and deaf
 * (Client.js:307-375; OpenWA calls it the premature ready).
 */
export function forgetHalfAttached() {
  /** @type {any} */ (globalThis).WWebJS = undefined;
}

/** The QR has stopped rotating. The library does this in Node, where there is no window, so no code follows (Client.js:290). */
export function refreshQr() {
  /** @type {Page} */ (/** @type {any} */ (globalThis)).require('WAWebCmd').Cmd.refreshQR();
}

/**
 * Sends the first heartbeat as soon as Node knows that the path stands. A page that has reloaded since has none yet.
 * @param {Config} config
 */
export function beatNow(config) {
  /** @type {any} */ (globalThis)[config.namespace].beat?.();
}
