// @ts-nocheck: the page's modules have no types
// Runs in the page, once a load. Before the library attaches: mends its helpers. After: counts, beats, and says that
// the live path stands. Sent as source text together with ids.js, kinds.js and records.js (see install.js).

import { messageId, widText } from '../message/ids.js';
import { isWanted, isWantedChat } from '../message/kinds.js';
import { contactFacts, firstOf, messageRecord, plain } from './records.js';

/** Puts our functions where later evaluations find them. */
export function prepareAgent(config) {
  const agent = globalThis[config.namespace];
  Object.assign(agent, {
    messageRecord,
    contactFacts,
    plain,
    isWanted,
    isWantedChat,
    widText,
    messageId,
    wrapBinding,
  });
  agent.guardAll();
}

/**
 * Every record the library hands over is built here: its own reads `remote._serialized`, which some builds don't have
 * (wwebjs#201830), and one message it can't build would be lost with the exception.
 */
export function mendHelpers(config) {
  const page = globalThis;
  const agent = page[config.namespace];
  const original = page.WWebJS.getMessageModel;
  page.WWebJS.getMessageModel = (message) => {
    let built;
    try {
      built = original(message);
    } catch {
      built = undefined;
    }
    return agent.messageRecord(message, built);
  };
  // The library's asks the server about the group, for every archived or removed chat; nobody here needs the answer.
  page.WWebJS.getChatModel = async (chat) => {
    if (!chat) return null;
    const { msgs, ...model } = agent.plain(chat.serialize()) ?? {};
    return { ...model, isGroup: Boolean(chat.groupMetadata), lastMessage: null };
  };
  // Acks, unread counts and the like would cross to Node with the whole model each time, and nobody there listens.
  for (const name of config.ignored) page[name] = () => {};
  // Some of the library's senders go by low-level stanzas that the page itself needs: they are refused here.
  for (const name of config.senders) agent.blockPath(page.WWebJS, name, 'WWebJS');
}

/**
 * The library's listeners stand: count what is added and what is handed over, start the heartbeat.
 * In one task of the page, so that no message falls between the two counts.
 */
export function startWatching(config) {
  const page = globalThis;
  const agent = page[config.namespace];
  const done = () => {
    agent.attached = true;
    return { document: agent.document, ...readAccount(config) };
  };
  if (agent.timer) return done(); // attached again after a failure: what counts is already there
  const { Msg, Chat } = page.require('WAWebCollections');
  const { Socket } = page.require('WAWebSocketModel');
  const beat = { n: 0, added: 0, emitted: 0 };
  const unread = new Set();

  const wanted = (message) => agent.isWanted(agent.messageId(message.id), message.type, config.groups);
  const key = (id) => `${id.fromMe}_${id.id}`;

  Msg.on('add', (message) => {
    if (message.isNewMsg && wanted(message)) beat.added += 1;
  });
  agent.wrapBinding('onAddMessageEvent', (handOver) => (raw) => {
    const answer = handOver(raw);
    // a ciphertext that was decrypted late comes again; it was counted when it was added
    if (raw.id && wanted(raw) && !unread.delete(key(raw.id))) beat.emitted += 1;
    return answer;
  });
  agent.wrapBinding('onAddMessageCiphertextEvent', (handOver) => (raw) => {
    const answer = handOver(raw);
    if (raw.id && wanted(raw)) {
      unread.add(key(raw.id));
      beat.emitted += 1;
    }
    return answer;
  });
  agent.wrapBinding('onReaction', (handOver) => (reactions) => handOver(agent.plain(reactions)));
  agent.wrapBinding('onIncomingCall', (handOver) => (call) => handOver(agent.plain(call)));

  const newestOf = (chat) => {
    const models = chat.msgs?.getModelsArray?.() ?? [];
    let newest = null;
    for (let at = models.length - 1; at >= 0 && at >= models.length - 50; at -= 1) {
      const { t } = models[at];
      if (wanted(models[at]) && typeof t === 'number' && (newest === null || t > newest)) newest = t;
    }
    return newest;
  };
  const newest = () => {
    const chats = Chat.getModelsArray().filter((chat) =>
      agent.isWantedChat(agent.widText(chat.id), config.groups),
    );
    chats.sort((a, b) => (b.t ?? 0) - (a.t ?? 0));
    const times = chats.slice(0, 20).map((chat) => [agent.widText(chat.id), newestOf(chat)]);
    return Object.fromEntries(times.filter(([, t]) => t !== null));
  };
  const tick = () => {
    beat.n += 1;
    // The same binding, library handler and event as a message: a heartbeat that arrives proves all three.
    page.onAddMessageEvent({
      id: { fromMe: true, remote: 'heartbeat', id: `heartbeat-${beat.n}` },
      type: 'leadmasterd_heartbeat',
      heartbeat: {
        ...beat,
        socket_state: Socket.state ?? null,
        has_synced: Boolean(Socket.hasSynced),
        newest: firstOf(newest) ?? {}, // without a list of chats the heart beats on
      },
    });
  };
  agent.tick = tick;
  agent.timer = setInterval(tick, config.heartbeat);
  return done();
}

/**
 * Puts a function before a binding. Puppeteer keeps a binding's pending calls on the function that stands under its
 * name, so they are carried over.
 */
export function wrapBinding(name, wrap) {
  const page = globalThis;
  const original = page[name];
  if (typeof original !== 'function' || original.leadmasterd) return;
  const wrapper = wrap(original);
  for (const kept of ['args', 'callbacks', 'lastSeq']) {
    if (original[kept] !== undefined) wrapper[kept] = original[kept];
  }
  wrapper.leadmasterd = true;
  page[name] = wrapper;
}

/** Who this account is, as the page knows it. */
export function readAccount(config) {
  const page = globalThis;
  const agent = page[config.namespace];
  const me = () => page.require('WAWebUserPrefsMeUser');
  const conn = () => page.require('WAWebConnModel').Conn;
  return {
    account: {
      wid: agent.widText(
        firstOf(
          () => me().getMaybeMePnUser(),
          () => me().getMaybeMeLidUser(),
          () => conn().wid,
        ),
      ),
      lid: agent.widText(firstOf(() => me().getMaybeMeLidUser())),
      push_name: firstOf(() => conn().pushname),
      platform: firstOf(() => conn().platform),
    },
    web_version: firstOf(() => page.Debug.VERSION),
  };
}
