// @ts-nocheck: the page's modules have no types
// Runs in the page: reads its store, chat by chat. Uses only the chat collection, each chat's messages, and the loading
// of earlier ones from the profile. Marks nothing read, creates no chat, asks no server.

/** The chats there are, with the time of their last message and the other id they may be known by. */
export function listChats(config) {
  const page = globalThis;
  const agent = page[config.namespace];
  if (!agent?.messageRecord) return null;
  const chats = page.require('WAWebCollections').Chat.getModelsArray();
  const wanted = [];
  for (const chat of chats) {
    try {
      const id = agent.widText(chat.id);
      if (!agent.isWantedChat(id, config.groups)) continue;
      const facts = id.endsWith('@g.us') ? null : agent.contactFacts(chat.id);
      wanted.push({
        chat: id,
        t: chat.t ?? 0,
        aliases: [facts?.phone, facts?.lid].filter((alias) => alias && alias !== id),
      });
    } catch {
      // a broken chat must not cost the others
    }
  }
  return { total: chats.length, wanted };
}

/**
 * Messages of one chat since a time, oldest first, a bounded piece at a time.
 * @returns {Promise<{records: any[], next: number | null, through: number | null, loading: boolean, partial?: boolean} | null>}
 *   loading: paging back took longer than `patience`; ask again. next: where the next piece starts. null: the page is new.
 *   partial: this build can't load what is older than its memory
 */
export async function readChat(config, { chat: id, since, at, patience, bytes }) {
  const page = globalThis;
  const agent = page[config.namespace];
  if (!agent?.messageRecord) return null;
  const chat = page
    .require('WAWebCollections')
    .Chat.getModelsArray()
    .find((known) => agent.widText(known.id) === id);
  if (!chat) return { records: [], next: null, through: null, loading: false };

  agent.reading ??= new Map();
  let found = agent.reading.get(id);
  if (at === 0 || !found) {
    const loadEarlierMsgs = earlierMessages();
    const deadline = Date.now() + patience;
    const known = new Set(chat.msgs.getModelsArray());
    const oldest = () => [...known].reduce((least, message) => Math.min(least, message.t ?? least), Infinity);
    let partial = false;
    while (oldest() >= since) {
      partial = loadEarlierMsgs === null;
      if (partial) break; // a build without it: what is in memory is still worth having
      if (Date.now() > deadline) return { records: [], next: 0, through: null, loading: true };
      const loaded = await loadEarlierMsgs({ chat });
      const before = known.size;
      for (const message of [...(loaded ?? []), ...chat.msgs.getModelsArray()]) known.add(message);
      if (!loaded?.length || known.size === before) break;
    }
    const through = [...known].reduce((most, message) => Math.max(most, message.t ?? most), -Infinity);
    const messages = [...known]
      .filter(
        (message) =>
          message.t >= since && agent.isWanted(agent.messageId(message.id), message.type, config.groups),
      )
      .sort((a, b) => a.t - b.t);
    found = { messages, partial, through: Number.isFinite(through) ? through : null };
    agent.reading.set(id, found);
  }

  const records = [];
  let size = 0;
  let next = at;
  for (; next < found.messages.length && size < bytes; next += 1) {
    try {
      const record = agent.messageRecord(found.messages[next]);
      records.push(record);
      size += JSON.stringify(record).length;
    } catch {
      records.push(null); // counted as a failure by the caller, the others go on
    }
  }
  const done = next >= found.messages.length;
  if (done) agent.reading.delete(id);
  const { partial, through } = found;
  return { records, next: done ? null : next, through, loading: false, partial };

  function earlierMessages() {
    try {
      return page.require('WAWebChatLoadMessages').loadEarlierMsgs ?? null;
    } catch {
      return null;
    }
  }
}
