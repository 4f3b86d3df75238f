// Runs in the page: reads its store, chat by chat. Uses only the chat collection, each chat's messages, and the loading
// of earlier ones from the profile. Marks nothing read, creates no chat, queries no server.

/**
 * @typedef {import('./page.js').Page} Page
 * @typedef {import('./page.js').Agent} Agent
 * @typedef {import('./install.js').PageConfig} PageConfig
 *
 * @typedef {object} Piece some messages of one chat, oldest first
 * @property {(Record<string, any> | null)[]} records null for one that could not be read
 * @property {number | null} next where the next piece starts, null after the last one
 * @property {number | null} through time of the chat's newest message
 * @property {boolean} loading paging back is not done yet: ask again for the same piece
 * @property {boolean} partial this build cannot load what is older than its memory
 */

/**
 * The chats, each with the time of its last message and the other id it may be known by.
 * @param {PageConfig} config
 * @returns {{total: number, wanted: import('../sweep.js').ListedChat[]} | null} null: the page has reloaded
 */
export function listChats(config) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {Agent | undefined} */
  const agent = page[config.namespace];
  if (!agent?.messageRecord) return null;
  const chats = page.require('WAWebCollections').Chat.getModelsArray();
  const wanted = [];
  for (const chat of chats) {
    try {
      const id = agent.widText(chat.id);
      if (id === null || !agent.isWantedChat(id, config.groups)) continue;
      const facts = id.endsWith('@g.us') ? null : agent.contactFacts(chat.id);
      const aliases = [facts?.phone, facts?.lid].flatMap((alias) => (alias && alias !== id ? [alias] : []));
      wanted.push({ chat: id, t: chat.t ?? 0, aliases });
    } catch {
      // a broken chat must not cost the others
    }
  }
  return { total: chats.length, wanted };
}

/**
 * Messages of one chat since a time, oldest first, in pieces.
 * @param {PageConfig} config
 * @param {object} want
 * @param {string} want.chat
 * @param {number} want.since seconds
 * @param {number} want.at where the piece starts: 0, or `next` of the piece before
 * @param {number} want.loadTime milliseconds to page back in one call
 * @param {number} want.bytes about how much JSON one piece may hold
 * @returns {Promise<Piece | null>} null: the page has reloaded
 */
export async function readChat(config, { chat: id, since, at, loadTime, bytes }) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {Agent | undefined} */
  const agent = page[config.namespace];
  if (!agent?.messageRecord) return null;
  const chat = page
    .require('WAWebCollections')
    .Chat.getModelsArray()
    .find((known) => agent.widText(known.id) === id);
  if (!chat) return { records: [], next: null, through: null, loading: false, partial: false };

  agent.reading ??= new Map();
  let reading = agent.reading.get(id);
  if (at === 0 || !reading) {
    const loadEarlierMsgs = findLoader();
    const deadline = Date.now() + loadTime;
    const known = new Set(chat.msgs.getModelsArray());
    const oldest = () => [...known].reduce((least, message) => Math.min(least, message.t ?? least), Infinity);
    let partial = false;
    while (oldest() >= since) {
      partial = loadEarlierMsgs === null;
      if (loadEarlierMsgs === null) break; // what is in memory is still worth having
      if (Date.now() > deadline) {
        return { records: [], next: 0, through: null, loading: true, partial: false };
      }
      const loaded = await loadEarlierMsgs({ chat });
      const before = known.size;
      for (const message of [...(loaded ?? []), ...chat.msgs.getModelsArray()]) known.add(message);
      if (!loaded?.length || known.size === before) break;
    }
    const newest = [...known].reduce((most, message) => Math.max(most, message.t ?? most), -Infinity);
    const time = (/** @type {import('./page.js').MessageModel} */ message) => Number(message.t);
    const messages = [...known]
      .filter(
        (message) =>
          time(message) >= since && agent.isWanted(agent.messageId(message.id), message.type, config.groups),
      )
      .sort((a, b) => time(a) - time(b));
    reading = { messages, partial, through: Number.isFinite(newest) ? newest : null };
    agent.reading.set(id, reading);
  }

  const { messages, partial, through } = reading;
  /** @type {(Record<string, any> | null)[]} */
  const records = [];
  let size = 0;
  let next = at;
  for (; next < messages.length && size < bytes; next += 1) {
    try {
      const record = agent.messageRecord(messages[next]);
      records.push(record);
      size += JSON.stringify(record).length;
    } catch {
      records.push(null);
    }
  }
  const done = next >= messages.length;
  if (done) agent.reading.delete(id);
  return { records, next: done ? null : next, through, loading: false, partial };

  function findLoader() {
    try {
      return page.require('WAWebChatLoadMessages').loadEarlierMsgs ?? null;
    } catch {
      return null;
    }
  }
}
