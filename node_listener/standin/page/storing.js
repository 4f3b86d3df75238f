// How each kind of item from the server is stored, and what remains to be done in memory afterwards.

import { createWid, keyText, MsgKey } from './ids.js';
import { Model } from './models.js';
import { request, write } from './storage.js';
import { addMsg, Chat, Contact, forgetBeginnings, learnContact, Msg } from './world.js';

let lastRow = 0;

/** Old messages, as a phone sends them at linking. They are stored and never emitted. */
export async function storeHistory(stanzas) {
  for (let start = 0; start < stanzas.length; start += 1000)
    await storeAll(stanzas.slice(start, start + 1000), true);
}

/** Stores a message that this page has written. */
export const storeOwn = async (stanza) => (await storeAll([stanza], false))[0];

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

/** What the store knows of these messages, in one go: one by one takes twenty times as long. */
export async function lookUp({ messages, chats }, stanzas) {
  const keys = stanzas.map(keyText);
  const ids = [...new Set(stanzas.map((stanza) => stanza.remote))];
  const [known, rows] = await Promise.all([
    Promise.all(keys.map((key) => request(messages.getKey(key)))),
    Promise.all(ids.map((id) => request(chats.get(id)))),
  ]);
  return { known: new Set(known), rows: new Map(rows.filter(Boolean).map((row) => [row.id, row])) };
}

function storeMessage({ messages, chats, before }, stanza, history) {
  const key = keyText(stanza);
  if (before.known.has(key)) return null;
  before.known.add(key);
  lastRow = Math.max(lastRow + 1, Date.now() * 1000);
  const { remote: chat, t } = stanza;
  const record = {
    key,
    chat,
    t,
    row: lastRow,
    stanza: stanza.id,
    history,
    received: Date.now(),
    data: stanza,
  };
  messages.put(record);
  const row = before.rows.get(chat) ?? { id: chat, unread: 0, newest: { t: -1 } };
  if (t >= row.newest.t) row.newest = { key, t, row: lastRow };
  if (!stanza.fromMe && !history) row.unread += 1;
  before.rows.set(chat, row);
  chats.put(row);
  return record;
}

/** The records with this stanza id: two when it was received under both identities. */
async function recordsOf(messages, stanza) {
  return await request(messages.index('by_stanza').getAll(stanza));
}

/** Changes stored records, and returns a function that does the same to the models in memory. */
async function change({ messages }, stanza, fields, set) {
  const records = await recordsOf(messages, stanza);
  for (const record of records) {
    Object.assign(record.data, fields);
    messages.put(record);
  }
  return () => {
    for (const record of records) {
      const msg = Msg.get(record.key);
      if (msg) set(msg);
    }
  };
}

class CallModel extends Model {
  getState() {
    return this.state;
  }
}

/** By kind of item: stores it, and returns a function for the rest, to be run once it is acknowledged. */
export const STORING = {
  async message(stores, { stanza }) {
    const record = storeMessage(stores, stanza, false);
    if (!record) return null;
    return () => {
      const other = createWid(stanza.author ?? stanza.remote);
      if (!stanza.fromMe && !Contact.get(other)) Contact.gadd(other).assign({ pushname: stanza.notifyName });
      addMsg(record, true);
    };
  },
  edit(stores, { stanza, body, at }) {
    const edited = { latestEditSenderTimestampMs: at };
    return change(stores, stanza, { ...edited, body }, (msg) => {
      const name = msg.directPath ? 'caption' : 'body';
      msg.set({ ...edited, latestEditMsgKey: msg.id, [name]: body });
    });
  },
  async revoke(stores, { stanza, scope, t }) {
    if (scope === 'me') return remove(stores, stanza);
    const gone = {
      type: 'revoked',
      subtype: 'sender',
      revokeTimestamp: t,
      body: undefined,
      caption: undefined,
    };
    const records = await recordsOf(stores.messages, stanza);
    const key =
      records[0] && (({ fromMe, remote, id, participant }) => ({ fromMe, remote, id, participant }));
    return change(stores, stanza, { ...gone, protocolMessageKey: key?.(records[0].data) }, (msg) => {
      msg.set({ ...gone, protocolMessageKey: msg.id });
    });
  },
  async react(stores, { stanza, emoji, sender, fromMe, t, reactionId }) {
    const records = await recordsOf(stores.messages, stanza);
    for (const record of records) {
      record.data.hasReaction = emoji !== '';
      stores.messages.put(record);
      stores.reactions.put({ parent: record.key, sender, emoji, t });
    }
    return () => {
      for (const { data } of records) {
        const parent = new MsgKey(data);
        Msg.get(parent)?.set('hasReaction', emoji !== '');
        const id = { id: reactionId, fromMe, remote: data.remote, participant: data.participant && sender };
        const upsert = window.require('WAWebAddonReactionTableMode').reactionTableMode.bulkUpsert;
        upsert([
          {
            id: new MsgKey(id),
            reactionParentKey: parent,
            reactionText: emoji,
            reactionTimestamp: t * 1000,
            [data.participant ? 'author' : 'from']: createWid(sender),
            read: false,
            orphan: 0,
          },
        ]);
      }
    };
  },
  // First the text, then the type, so the library emits message_edit before message.
  decrypt(stores, { stanza, fields }) {
    const { type, body, ...others } = fields;
    return change(stores, stanza, fields, (msg) => {
      msg.set({ ...others, body });
      msg.set('type', type);
    });
  },
  ack(stores, { stanza, ack }) {
    return change(stores, stanza, { ack }, (msg) => msg.set('ack', ack));
  },
  async vote(stores, { stanza, options, sender, t }) {
    const [record] = await recordsOf(stores.messages, stanza);
    if (!record) return null;
    return () => {
      const vote = { pollUpdateParentKey: new MsgKey(record.data), t: t * 1000, senderTimestampMs: t * 1000 };
      const upsert = window.require('WAWebAddonPollVoteTableMode').pollVoteTableMode.bulkUpsert;
      upsert([
        { ...vote, id: vote.pollUpdateParentKey, from: createWid(sender), selectedOptionLocalIds: options },
      ]);
    };
  },
  // Nothing of a ringing call is stored; its line in the chat comes as a message of type call_log.
  async call(_stores, { call, ends }) {
    return () => {
      const calls = window.require('WAWebCallCollection');
      const map = Object.values(calls).find((value) => value instanceof Map);
      const model = new CallModel({ ...call, peerJid: createWid(call.peerJid) });
      map?.set(call.id, model);
      queueMicrotask(() => model.set('state', ends));
    };
  },
  async contact({ contacts }, { card }) {
    const known = await request(contacts.get(card.phone));
    contacts.put({ ...known, ...card });
    return () => learnContact({ ...known, ...card });
  },
};

async function remove({ messages, chats, before }, stanza) {
  const records = await recordsOf(messages, stanza);
  for (const record of records) {
    await request(messages.delete(record.key));
    before.known.delete(record.key);
    const range = IDBKeyRange.bound([record.chat], [record.chat, []]);
    const cursor = await request(messages.index('by_time').openCursor(range, 'prev'));
    const row = await request(chats.get(record.chat));
    if (cursor) {
      const { key, t, row: place } = cursor.value;
      const shorter = { ...row, newest: { key, t, row: place } };
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
