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
    syncing: Boolean(agent?.syncing),
  };
}

/**
 * After the library injected: its handler of the sync edge runs once at a time, only when synced, and its failures are
 * told. Without this the handler runs for every change of hasSynced, whatever the value, several at once, and whatever
 * it throws is swallowed by the binding.
 */
export function guardSyncEdge(config) {
  const page = globalThis;
  const agent = page[config.namespace];
  agent.injected = true;
  agent.wrapBinding('onAppStateHasSyncedEvent', (original) => async () => {
    if (!page.require('WAWebSocketModel').Socket.hasSynced || agent.attached || agent.syncing) return;
    agent.syncing = true;
    try {
      await original();
    } catch (error) {
      page[config.report]({
        kind: 'page_error',
        source: 'inject',
        message: String(error?.message ?? error),
      }).catch(() => {});
    } finally {
      agent.syncing = false;
    }
  });
}

/** The edge was missed, or its handler failed half-way: clear the half and let it run again. */
export function replaySyncEdge(config) {
  const page = globalThis;
  const agent = page[config.namespace];
  if (!agent?.injected || agent.attached || agent.syncing) return false;
  // With WWebJS there, the library would skip attaching and say ready all the same.
  page.WWebJS = undefined;
  page.onAppStateHasSyncedEvent();
  return true;
}

/** The QR stopped rotating. The library does this in Node, where there is no window, and no new code ever appears. */
export function refreshQr() {
  globalThis.require('WAWebCmd').Cmd.refreshQR();
}

/** The first heartbeat, as soon as Node knows that the path stands. */
export function beatNow(config) {
  globalThis[config.namespace].tick();
}
