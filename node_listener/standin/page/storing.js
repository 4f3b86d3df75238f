// How each kind of item from the server is stored, and what remains to be done in memory afterwards.

import { CallModel, ring, shownCall } from './calls.js';
import { config } from './config.js';
import { createWid, keyText, MsgKey } from './ids.js';
import { Collection } from './models.js';
import { loadAll, request, write } from './storage.js';
import { addMsg, Chat, Contact, forgetBeginnings, learnContact, Msg } from './world.js';

const { ways } = config;
let lastRow = 0;

/** Old messages, as a phone sends them at linking. They are stored and never emitted. */
export async function storeHistory(stanzas) {
  // From the newest on: on disk what is older comes before the chat's first message (WAWebDBStoreEncryptedMsgs).
  for (let end = stanzas.length; end > 0; end -= 1000)
    await storeAll(stanzas.slice(Math.max(0, end - 1000), end).reverse(), true);
  const reactions = stanzas.flatMap((stanza) => stanza.reactions ?? []).filter(({ emoji }) => emoji !== '');
  if (reactions.length === 0) return;
  const show = await write((stores) => STORING.react(stores, { reactions }));
  show(); // by the function that live ones come by: the library emits them too
}

/** Stores a message that this page has written. */
export const storeOwn = async (stanza) => (await storeAll([stanza], false))[0];

/** Stores messages in one transaction. Returns the record of each, null for one that is known. */
function storeAll(stanzas, history) {
  return write(async (stores) => {
    const before = await lookUp(stores, stanzas);
    return stanzas.map((stanza) => storeMessage({ ...stores, before }, stanza, history));
  });
}

export async function storeContacts(cards) {
  await write(async (stores) => {
    for (const card of cards) await STORING.contact(stores, { card });
  });
}

/**
 * What the store knows of these messages: the keys it has (`known`, also as the former key of a revoked one), and the rows of
 * their chats (`rows`). All at once: one by one takes twenty times as long.
 */
export async function lookUp({ messages, chats }, stanzas) {
  const keys = stanzas.map(keyText);
  const ids = [...new Set(stanzas.map((stanza) => stanza.remote))];
  const replaced = messages.index('by_replaced');
  const [storedKeys, replacedKeys, rows] = await Promise.all([
    Promise.all(keys.map((key) => request(messages.getKey(key)))),
    ways.revoke_id === 'new' ? Promise.all(keys.map((key) => replacedKey(replaced, key))) : [],
    Promise.all(ids.map((id) => request(chats.get(id)))),
  ]);
  return {
    known: new Set([...storedKeys, ...replacedKeys]),
    rows: new Map(rows.filter(Boolean).map((row) => [row.id, row])),
  };
}

/** The key, if it is the former one of a revoked message; else undefined. */
const replacedKey = async (index, key) => ((await request(index.getKey(key))) ? key : undefined);

/** What the store keeps of a message. Its place among the others is decided here. */
export function makeRecord(stanza, history) {
  lastRow = Math.max(lastRow + 1, Date.now() * 1000);
  const { remote: chat, t } = stanza;
  const { reactions, broadcastId, ...data } = stanza;
  // What comes with the history does not name its list (WAWebParseWebMessageInfoApi).
  if (broadcastId !== undefined && !history) data.broadcastId = broadcastId;
  return {
    key: keyText(stanza),
    chat,
    t,
    row: lastRow,
    stanza: stanza.id,
    history,
    received: Date.now(),
    data,
  };
}

/** Puts a record into the stores, unless `before` (of lookUp) knows it, and updates the row of its chat and `before`. */
export function putRecord({ messages, chats, before }, record) {
  const { key, chat, t, history, data } = record;
  if (before.known.has(key)) return;
  before.known.add(key);
  const row = before.rows.get(chat) ?? { id: chat, unread: 0, newest: { t: -1 }, last: { row: -1 } };
  if (history && row.first) record.row = row.first - 1;
  messages.put(record);
  const place = record.row;
  row.first = Math.min(place, row.first ?? place);
  if (place > row.last.row) row.last = { key, row: place };
  if (t > row.newest.t || (t === row.newest.t && place > row.newest.row)) row.newest = { key, t, row: place };
  if (!data.fromMe && !history) row.unread += 1;
  before.rows.set(chat, row);
  chats.put(row);
}

/** Stores a message. Returns its record, null when it is known. */
function storeMessage(stores, stanza, history) {
  if (stores.before.known.has(keyText(stanza))) return null;
  const record = makeRecord(stanza, history);
  putRecord(stores, record);
  return record;
}

/** Adds a message that has just arrived to memory, where it is emitted. */
export function showNew(record) {
  const { author, remote, fromMe, notifyName } = record.data;
  const other = createWid(author ?? remote);
  if (!fromMe && !Contact.get(other)) Contact.gadd(other).assign({ pushname: notifyName });
  addMsg(record, true);
}

/**
 * The records with this stanza id: two when it was received under both identities. With a chat only that chat's: senders
 * choose the ids, and another chat may have the same.
 */
async function recordsOf(messages, { stanza, chat }) {
  const records = await request(messages.index('by_stanza').getAll(stanza));
  return chat === undefined ? records : records.filter((record) => record.chat === chat);
}

/**
 * Changes stored records, and returns a function that does the same to the models in memory.
 * @param which {stanza, chat} see recordsOf
 * @param fields what changes in the record's data, or a function that makes it of the data
 * @param set (model) => does the change in memory
 */
async function change({ messages }, which, fields, set) {
  const records = await recordsOf(messages, which);
  for (const record of records) {
    Object.assign(record.data, typeof fields === 'function' ? fields(record.data) : fields);
    messages.put(record);
  }
  return () => {
    for (const record of records) {
      const msg = Msg.get(record.key);
      if (msg) set(msg);
    }
  };
}

/**
 * What an edit changes: the text, its time, and the key of the edit itself, under its own stanza id
 * (WAWebMessageEditDecryptedMsgDataConversion). The old way names the message's own key, in memory only.
 */
function editedFields(message, { body, at, editId, sealed = false }) {
  const name = message.directPath ? 'caption' : 'body';
  const fields = { [name]: body, latestEditSenderTimestampMs: at };
  if (ways.edit_key !== 'edit' && !sealed) return fields;
  const parts = keyParts(message.id?.remote ? message.id : message); // of a model, or of a record's data
  return { ...fields, latestEditMsgKey: { ...parts, id: editId } };
}

const keyParts = ({ fromMe, remote, id, participant }) => ({ fromMe, remote, id, participant });

/**
 * Revokes a message in the page's own way: the revocation's stanza id becomes the message's, and the key it had goes into
 * protocolMessageKey (WAWebRevoke,
 * WAWebDBStoreRevokeMsgs, WAWebRevokeMsgAction). A message that is only on disk changes without an event.
 */
async function replace({ messages, chats, before }, which, revokeId, gone) {
  const records = await recordsOf(messages, which);
  const changed = [];
  for (const record of records) {
    const { fromMe, remote, participant, from, to, author, t, ack } = record.data;
    const old = keyParts(record.data);
    const kept = { fromMe, remote, participant, from, to, author, t, ack };
    const data = { ...kept, ...gone, id: revokeId, protocolMessageKey: old };
    const next = { ...record, key: keyText(data), replaced: record.key, stanza: revokeId, data };
    messages.delete(record.key);
    messages.put(next);
    const row = await request(chats.get(record.chat));
    for (const place of [row.newest, row.last]) if (place.key === record.key) place.key = next.key;
    chats.put(row);
    before.rows.set(record.chat, row);
    changed.push({ old: new MsgKey(old), id: new MsgKey(data), chat: record.chat });
  }
  return () => {
    for (const { old, id, chat } of changed) {
      const msg = Msg.get(old);
      if (!msg) continue;
      msg.trigger('revoked');
      Chat.get(chat)?.msgs.replaceId(old, id);
      Msg.replaceId(old, id);
      const emptied = { caption: undefined, quotedMsg: undefined, quotedParticipant: undefined };
      msg.set({ ...gone, ...emptied, id, isOverwrittenByRevoke: true, protocolMessageKey: old });
      msg.trigger('change:msgKey', { newKey: id, oldKey: old });
    }
  };
}

/** By kind of item: stores it, and returns a function for the rest, to be run once it is acknowledged. */
export const STORING = {
  async message(stores, { stanza, offline = false }) {
    const record = storeMessage(stores, shownCall(stanza, offline), false);
    return record && (() => showNew(record));
  },
  edit(stores, { stanza, chat, body, at, editId, sealed }) {
    const edit = { body, at, editId, sealed };
    return change(
      stores,
      { stanza, chat },
      (data) => editedFields(data, edit),
      (msg) => {
        const { latestEditMsgKey = msg.id, ...fields } = editedFields(msg, edit);
        msg.set({ ...fields, latestEditMsgKey: new MsgKey(latestEditMsgKey) });
      },
    );
  },
  async revoke(stores, { stanza, chat, scope, t, revokeId }) {
    const which = { stanza, chat };
    if (scope === 'me') return remove(stores, which);
    const gone = { type: 'revoked', subtype: 'sender', revokeTimestamp: t, body: undefined };
    if (ways.revoke_id === 'new') return replace(stores, which, revokeId, gone);
    const all = { ...gone, caption: undefined };
    const [record] = await recordsOf(stores.messages, which);
    return change(stores, which, { ...all, protocolMessageKey: record && keyParts(record.data) }, (msg) =>
      msg.set({ ...all, protocolMessageKey: msg.id }),
    );
  },
  async react(stores, { reactions }) {
    const known = [];
    for (const { stanza, chat, emoji, sender, fromMe, t, id, read } of reactions) {
      for (const record of await recordsOf(stores.messages, { stanza, chat })) {
        const range = IDBKeyRange.bound([record.key], [record.key, []]);
        const others = (await request(stores.reactions.getAll(range))).filter((row) => row.sender !== sender);
        record.data.hasReaction = emoji !== '' || others.some((row) => row.emoji !== '');
        stores.messages.put(record);
        const { remote, participant } = record.data;
        const key = { id, fromMe, remote, participant: participant && sender };
        const { hasReaction } = record.data;
        const row = { parent: record.key, parentKey: keyParts(record.data), key, sender, emoji, t, read };
        stores.reactions.put(row);
        known.push({ ...row, hasReaction });
      }
    }
    return () => {
      for (const { parentKey, hasReaction } of known)
        Msg.get(new MsgKey(parentKey))?.set('hasReaction', hasReaction);
      if (known.length > 0) reactionTableMode.bulkUpsert(known.map(reactionData));
    };
  },
  decrypt(stores, { stanza, chat, fields }) {
    const { type, body, ...others } = fields;
    return change(stores, { stanza, chat }, fields, (msg) => {
      // One set of all fields (WAWebUpdateMessageUIAction), or the old way: first the text, then the type.
      if (ways.decrypt === 'one_set') return msg.set({ ...others, body, type });
      msg.set({ ...others, body });
      msg.set('type', type);
    });
  },
  ack(stores, { stanza, ack }) {
    return change(stores, { stanza }, { ack }, (msg) => msg.set('ack', ack));
  },
  /** One row for each poll and voter, the last vote (WAWebDBPollsUpsertVotes); then the collection in memory. */
  async vote(stores, { stanza, options, sender, fromMe, t, id }) {
    const [record] = await recordsOf(stores.messages, { stanza });
    if (!record) return null;
    const { remote, participant } = record.data;
    const key = { id, fromMe, remote, participant: participant && sender };
    const row = { parent: record.key, parentKey: keyParts(record.data), key, sender, options, t };
    const before = await request(stores.votes.get([row.parent, sender]));
    if (before?.t > t) return null;
    stores.votes.put(row);
    return () => {
      pollVoteTableMode.bulkUpsert([voteData(row)]);
      if (before) PollVoteCollection.remove(voteModel(before));
      PollVoteCollection.add(voteModel(row));
    };
  },
  // Nothing of a ringing call is stored; its line in the chat comes as a message of type call_log.
  async call(_stores, { call, ends }) {
    return () => ring(new CallModel({ ...call, peerJid: createWid(call.peerJid) }), ends);
  },
  async contact({ contacts }, { card }) {
    const known = await request(contacts.get(card.phone));
    contacts.put({ ...known, ...card });
    return () => learnContact({ ...known, ...card });
  },
};

/** A row of the page's table as its own data (WAWebReactionDataUtils). */
function reactionData({ key, parentKey, sender, emoji, t, read = false }) {
  return {
    id: new MsgKey(key),
    type: 'reaction',
    reactionParentKey: new MsgKey(parentKey),
    reactionText: emoji,
    reactionTimestamp: t * 1000,
    t,
    [parentKey.participant ? 'author' : 'from']: createWid(sender),
    read,
    orphan: 0,
  };
}

/** What the library wraps (`bulkUpsert` after it has stored), and how the page reads its table. */
export const reactionTableMode = {
  bulkUpsert: async () => {},
  bulkGetByParentMsgKey: async (keys) => {
    const parents = new Set(keys.map(String));
    return (await loadAll('reactions')).filter(({ parent }) => parents.has(parent)).map(reactionData);
  },
};

/** A row of the page's table as its own data (WAWebPollsVoteDataUtils). Its `t` is in seconds. */
function voteData({ key, parentKey, sender, options, t }) {
  return {
    id: new MsgKey(key),
    type: 'poll_update',
    kind: 'pollVoteDecrypted',
    pollUpdateParentKey: new MsgKey(parentKey),
    selectedOptionLocalIds: options,
    senderTimestampMs: t * 1000,
    t,
    [parentKey.participant ? 'author' : 'from']: createWid(sender),
    read: false,
  };
}

/** What is in memory has other names (WAWebPollsPollVoteModel), and an id that begins with two marks. */
function voteModel(row) {
  const { id, pollUpdateParentKey, selectedOptionLocalIds, senderTimestampMs, t } = voteData(row);
  const sender = createWid(row.sender);
  const marked = { id: `!!${id}`, msgKey: id, parentMsgKey: pollUpdateParentKey };
  return { ...marked, selectedOptionLocalIds, senderTimestampMs, t, sender };
}

export const PollVoteCollection = new Collection();

export const pollVoteTableMode = {
  bulkUpsert: async () => {},
  bulkGetByParentMsgKey: async (keys) => {
    const parents = new Set(keys.map(String));
    return (await loadAll('votes')).filter(({ parent }) => parents.has(parent)).map(voteData);
  },
};

/** The table itself: keys as text, and what was chosen as bytes (WAWebPollsDbSerialization). */
export const pollVotesTable = {
  all: async () =>
    (await loadAll('votes')).map((row) => ({
      msgKey: keyText(row.key),
      parentMsgKey: row.parent,
      sender: row.sender,
      selectedOptionLocalIds: new Uint8Array(row.options).buffer,
      senderTimestampMs: row.t * 1000,
      t: row.t,
    })),
};

/** Deletes records, and returns a function that removes the models from memory. A chat without any goes too. */
async function remove({ messages, chats, before }, which) {
  const records = await recordsOf(messages, which);
  for (const record of records) {
    await request(messages.delete(record.key));
    before.known.delete(record.key);
    const row = await request(chats.get(record.chat));
    const range = IDBKeyRange.bound([record.chat], [record.chat, []]);
    const latest = async (index) => (await request(messages.index(index).openCursor(range, 'prev')))?.value;
    const newest = await latest('by_time');
    const last = await latest('by_arrival');
    if (newest) {
      const shorter = {
        ...row,
        newest: { key: newest.key, t: newest.t, row: newest.row },
        last: { key: last.key, row: last.row },
      };
      before.rows.set(record.chat, shorter);
      chats.put(shorter);
    } else {
      before.rows.delete(record.chat);
      chats.delete(record.chat);
      forgetBeginnings(record.chat);
    }
  }
  return () => {
    for (const record of records) {
      Chat.get(record.chat)?.msgs.remove(record.key);
      Msg.remove(record.key);
    }
  };
}
