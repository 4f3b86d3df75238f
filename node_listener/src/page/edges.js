// @ts-nocheck: the page's modules have no types
// Runs in the page: the moments the library waits for, and may miss.

/** Where a page load stands, as a level and not as an edge. */
export function probe(config) {
  const page = globalThis;
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

/** The library injected into this document: a navigation that stays in it needs nothing more. */
export function markInjected(config) {
  globalThis[config.namespace].injected = true;
}

/**
 * With WWebJS there, the library would skip attaching its listeners, and say ready all the same (Client.js:307-375; OpenWA
 * calls it the premature ready): CONNECTED, and deaf.
 */
export function forgetHalfAttached() {
  globalThis.WWebJS = undefined;
}

/** The QR stopped rotating. The library does this in Node, where there is no window (Client.js:290): no code ever follows. */
export function refreshQr() {
  globalThis.require('WAWebCmd').Cmd.refreshQR();
}

/** The first heartbeat, as soon as Node knows that the path stands. A page that was loaded anew since has none yet. */
export function beatNow(config) {
  globalThis[config.namespace].tick?.();
}
