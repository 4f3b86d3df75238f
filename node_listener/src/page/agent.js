// Runs in the page, once per load. Before the library attaches: patches its helpers. After: counts messages, sends the
// heartbeat, and reports that the live path is attached. Sent as source text together with message/ids.js,
// message/kinds.js and records.js (see install.js).

import { messageId, widText } from '../message/ids.js';
import { isWanted, isWantedChat } from '../message/kinds.js';
import { contactFacts, firstOf, messageRecord, plain, reactionRecords } from './records.js';
import { watchVotes } from './votes.js';
import { watchCalls } from './watch-calls.js';

/**
 * @typedef {import('./page.js').Page} Page
 * @typedef {import('./page.js').Agent} Agent
 * @typedef {import('./page.js').Binding} Binding
 * @typedef {import('./install.js').PageConfig} PageConfig
 */

/**
 * Puts our functions where later evaluations find them.
 * @param {PageConfig} config
 */
export function prepareAgent(config) {
  /** @type {Agent} */
  const agent = /** @type {any} */ (globalThis)[config.namespace];
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
  if (agent.guarding) return;
  agent.guarding = true;
  // Modules that come late are guarded late, most within seconds (the second wave), some when something is opened.
  for (const wait of [1_000, 3_000, 10_000, 30_000]) setTimeout(agent.guardAll, wait);
  setInterval(agent.guardAll, 60_000);
}

/**
 * Makes the library build every record by our function. Its own reads `remote._serialized`, which some builds lack
 * (wwebjs#201830), and a message it cannot build would be lost with the exception.
 * @param {PageConfig} config
 */
export function patchHelpers(config) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {Agent} */
  const agent = page[config.namespace];
  const helpers = /** @type {NonNullable<Page['WWebJS']>} */ (page.WWebJS);
  // From here on subscriptions are those of attaching. Those of an attempt that failed half-way fall silent.
  agent.round = (agent.round ?? 0) + 1;
  agent.attaching = true;
  const original = helpers.getMessageModel;
  helpers.getMessageModel = (message) => {
    let built;
    try {
      built = original(message);
    } catch {
      built = undefined;
    }
    try {
      return agent.messageRecord(message, built);
    } catch (error) {
      agent.failed('a message', error);
      return {};
    }
  };
  // What the library puts in front of the page's functions must not keep the page from calling them. Its own version catches
  // exceptions, but no rejected promise: for a poll vote that it cannot read, the page's table would not get the vote.
  const { injectToFunction } = helpers;
  const { round } = agent;
  helpers.injectToFunction = (target, callback) =>
    injectToFunction(
      target,
      (/** @type {any} */ module, /** @type {Function} */ page, /** @type {any[]} */ ...args) => {
        const goOn = () => page.apply(module, args);
        if (round !== agent.round) return goOn();
        let gone = false;
        const once = (/** @type {any[]} */ ...given) => {
          gone = true;
          return page.apply(module, given);
        };
        const orGoOn = (/** @type {unknown} */ error) => {
          if (gone) throw error;
          agent.failed(`in front of ${target.function}`, error);
          return goOn();
        };
        try {
          const answer = callback(module, once, ...args);
          return answer instanceof Promise ? answer.catch(orGoOn) : answer;
        } catch (error) {
          return orGoOn(error);
        }
      },
    );
  // The library's version queries the server about the group for every archived or removed chat. Nothing here needs that.
  helpers.getChatModel = async (chat) => {
    if (!chat) return null;
    const { msgs, ...model } = agent.plain(chat.serialize()) ?? {};
    return { ...model, isGroup: Boolean(chat.groupMetadata), lastMessage: null };
  };
  // Acks, unread counts and the like would cross to Node with a whole model each time, and have no listener there.
  for (const name of config.ignored) page[name] = () => {};
  // Some of these send by low-level stanzas that the page itself needs, so they are refused here and not there.
  for (const name of config.senders) agent.blockPath(helpers, name, 'WWebJS');
}

/**
 * Runs once the library's listeners are attached: counts the messages added and handed to Node, starts the heartbeat.
 * All in one task of the page, so that no message falls between the two counts.
 * @param {PageConfig} config
 */
export function startWatching(config) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {Agent} */
  const agent = page[config.namespace];
  agent.attaching = false;
  const attached = () => {
    agent.attached = true;
    return { document: agent.document, ...readAccount(config) };
  };
  if (agent.timer) return attached(); // attached again after a failure: the counters are already running
  const { Msg } = page.require('WAWebCollections');
  const { Socket } = page.require('WAWebSocketModel');
  const counts = { added: 0, emitted: 0 };
  /** Keys of the ciphertexts handed over. One that is decrypted later comes again and must not be counted twice. */
  const ciphertexts = new Set();

  /** @param {{id?: unknown, type?: unknown}} message */
  const wanted = (message) => agent.isWanted(agent.messageId(message.id), message.type, config.groups);
  /** @param {{fromMe: unknown, id: unknown}} id */
  const key = (id) => `${id.fromMe}_${id.id}`;

  Msg.on('add', (message) => {
    if (message.isNewMsg && wanted(message)) counts.added += 1;
  });
  agent.wrapBinding('onAddMessageEvent', (handOver) => (raw) => {
    const answer = handOver(raw);
    if (raw.id && wanted(raw) && !ciphertexts.delete(key(raw.id))) counts.emitted += 1;
    return answer;
  });
  agent.wrapBinding('onAddMessageCiphertextEvent', (handOver) => (raw) => {
    const answer = handOver(raw);
    if (raw.id && wanted(raw)) {
      ciphertexts.add(key(raw.id));
      counts.emitted += 1;
    }
    return answer;
  });
  agent.wrapBinding('onReaction', (handOver) => (reactions) => handOver(reactionRecords(reactions)));
  watchCalls(agent);
  watchVotes(agent);

  /** @type {'incoming' | 'complete' | null} the recent history that follows a link, by the page's own word */
  let history = null;
  const readHistory = () => {
    if (history === 'complete') return;
    const status = firstOf(() => agent.requireOriginal('WAWebUserPrefsHistorySync').getHistorySyncStatus());
    const take = (/** @type {any} */ known) => {
      if (known) history = known.recentCompleted === true ? 'complete' : 'incoming';
    };
    if (typeof status?.then === 'function') status.then(take, () => {});
    else take(status);
  };
  const text = (/** @type {unknown} */ value) => (typeof value === 'string' ? value : null);

  // The same binding, library handler and event as a message: a heartbeat that arrives proves all three.
  const beat = () => {
    readHistory();
    page.onAddMessageEvent({
      id: { fromMe: true, remote: 'heartbeat', id: 'heartbeat' },
      type: 'leadmasterd_heartbeat',
      heartbeat: {
        socket_state: Socket.state ?? null,
        has_synced: Boolean(Socket.hasSynced),
        stream: text(Socket.stream),
        mode: text(firstOf(() => agent.requireOriginal('WAWebStreamModel').Stream.mode)),
        history,
        ...counts,
      },
    });
  };
  readHistory();
  agent.beat = beat;
  agent.timer = setInterval(beat, config.heartbeat);
  return attached();
}

/**
 * Puts a function in front of a binding. Puppeteer keeps a binding's pending calls on the function under its name, so
 * they are carried over.
 * @type {Agent['wrapBinding']}
 */
export function wrapBinding(name, wrap) {
  /** @type {Record<string, Binding>} */
  const page = /** @type {any} */ (globalThis);
  const original = page[name];
  if (typeof original !== 'function' || original.leadmasterd) return;
  const wrapper = /** @type {Binding} */ (wrap(original));
  for (const kept of ['args', 'callbacks', 'lastSeq']) {
    if (original[kept] !== undefined) wrapper[kept] = original[kept];
  }
  wrapper.leadmasterd = true;
  page[name] = wrapper;
}

/**
 * Who this account is, as the page knows it.
 * @param {PageConfig} config
 * @returns {{account: import('./page.js').Account, web_version: string | null}}
 */
export function readAccount(config) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {Agent} */
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
