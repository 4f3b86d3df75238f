// The older messages that a phone sends to a newly linked page: the first part before hasSynced, and under the way
// `history: chunks` the rest after it, for as long as the server takes. None of them is ever emitted.

import { config } from './config.js';
import { report, session } from './report.js';
import { Cmd } from './socket.js';
import { userPrefs } from './storage.js';
import { storeContacts, storeHistory } from './storing.js';
import { loadWorld } from './world.js';

const NAME = 'HistorySyncStatus';

/** {initialCompleted, recentCompleted} (WAWebUserPrefsHistorySync); null before the first link. */
export const historyStatus = () => userPrefs.get(NAME);
const saveStatus = (change) => userPrefs.set(NAME, { ...historyStatus(), ...change });

/** Resolves when the silence of the first sync is over, false when the page gives up before that. */
export async function firstHistoryComes() {
  const start = Date.now();
  const passed = () => Date.now() - start;
  while (passed() < Math.min(config.ways.sync_ms, config.syncLimitMs))
    await new Promise((resolve) => setTimeout(resolve, 20));
  return passed() < config.syncLimitMs;
}

/** Gets the first part of the history, stores it, fills memory from the store and reports that it is done. */
export async function syncHistory() {
  const answer = await fetch(`/standin/history?token=${session.token}`);
  const { messages, contacts, complete } = await answer.json();
  await storeContacts(contacts);
  await storeHistory(messages);
  await loadWorld();
  await saveStatus({ initialCompleted: true, ...(complete && { recentCompleted: true }) });
  await report('history_done');
}

let turn = Promise.resolve();

/**
 * One chunk after another, to the disk only: each chat's newest message is in memory since the first part, and to read it from
 * the disk again would take a message that is just arriving for an old one. A chunk that is cut off is sent again: its
 * messages are known by their keys.
 */
export function takeChunk({ n, messages, last }) {
  turn = turn
    .then(async () => {
      await storeHistory(messages);
      if (last) await saveStatus({ recentCompleted: true });
      Cmd.trigger('new_history_sync_chunk_processed_from_bridge', {});
      await report('chunk_done', { n });
    })
    .catch(() => {});
}
