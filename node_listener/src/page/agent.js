// Runs in the page, at each load. Before the library attaches its listeners: patches its helpers. After that: counts messages,
// sends the heartbeat, and reads which account this is. Sent as source text together with message/ids.js,
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
 * Adds our functions to the agent, where later evaluations find them, and begins to guard modules that the page loads later.
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
  // Modules that are not loaded yet are guarded once they are: most load within seconds, some only when something is opened.
  for (const wait of [1_000, 3_000, 10_000, 30_000]) setTimeout(agent.guardAll, wait);
  setInterval(agent.guardAll, 60_000);
}

/**
 * Replaces the library's helpers in the page that lose messages, query the server or send; runs before each attempt to attach.
 * Records are built by our function: the library's reads `remote._serialized`, which some builds lack (wwebjs#201830), and a
 * message that it cannot build would be lost with the exception.
 * @param {PageConfig} config
 */
export function patchHelpers(config) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {Agent} */
  const agent = page[config.namespace];
  const helpers = /** @type {NonNullable<Page['WWebJS']>} */ (page.WWebJS);
  // From here on listeners that subscribe belong to this attempt to attach. Those of an earlier one, which failed half-way, are
  // ignored (see listeners.js).
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
  const { injectToFunction } = helpers;
  const { round } = agent;
  /**
   * Wraps a callback that the library puts in place of a function of the page. The callback is given this function and is to
   * call it. If it fails before it has done so, the failure is reported and the function is called all the same. The library
   * itself catches exceptions, but no rejected promises: a poll vote that it cannot read would not get into the page's table.
   * @param {any} target names the page's function
   * @param {any} callback the library's
   */
  const alwaysCalling =
    (target, callback) =>
    (/** @type {any} */ module, /** @type {Function} */ pageFunction, /** @type {any[]} */ ...args) => {
      const callUnchanged = () => pageFunction.apply(module, args);
      if (round !== agent.round) return callUnchanged(); // the callback belongs to an earlier attempt to attach
      let called = false;
      const callNoted = (/** @type {any[]} */ ...given) => {
        called = true;
        return pageFunction.apply(module, given);
      };
      const afterFailure = (/** @type {unknown} */ error) => {
        if (called) throw error; // the page's function was called: its caller sees what went wrong
        agent.failed(`in front of ${target.function}`, error);
        return callUnchanged();
      };
      try {
        const answer = callback(module, callNoted, ...args);
        return answer instanceof Promise ? answer.catch(afterFailure) : answer;
      } catch (error) {
        return afterFailure(error);
      }
    };
  helpers.injectToFunction = (target, callback) => injectToFunction(target, alwaysCalling(target, callback));
  // The library's version queries the server about the group for every archived or removed chat. Nothing here needs that.
  helpers.getChatModel = async (chat) => {
    if (!chat) return null;
    const { msgs, ...model } = agent.plain(chat.serialize()) ?? {};
    return { ...model, isGroup: Boolean(chat.groupMetadata), lastMessage: null };
  };
  // Acks, unread counts and the like would cross to Node with a whole model each time, and have no listener there.
  for (const name of config.ignored) page[name] = () => {};
  // Some of these helpers send by low-level functions that the page needs too. So the helpers are refused, not those functions.
  for (const name of config.senders) agent.blockPath(helpers, name, 'WWebJS');
}

/**
 * Runs once the library's listeners are attached: begins to count the messages that are added and those that are passed to
 * Node, to watch calls and votes, and to send the heartbeat. All of it begins in one task of the page, so that each message is in
 * both counts or in neither. A second call in the same document starts none of that again.
 * @param {PageConfig} config
 * @returns {{document: string, account: import('./page.js').Account, web_version: string | null}}
 */
export function startWatching(config) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {Agent} */
  const agent = page[config.namespace];
  agent.attaching = false;
  const noteAttached = () => {
    agent.attached = true;
    return { document: agent.document, ...readAccount(config) };
  };
  if (agent.timer) return noteAttached(); // attached again after a failure: the counters are already running
  const { Msg } = page.require('WAWebCollections');
  const { Socket } = page.require('WAWebSocketModel');
  /** Messages added to the page's store that are to be captured, and messages passed to Node. The daemon compares the two. */
  const counts = { added: 0, emitted: 0 };
  /** Keys of the ciphertexts passed to Node. One that is decrypted later comes again and must not be counted twice. */
  const ciphertexts = new Set();

  /** @param {{id?: unknown, type?: unknown}} message */
  const isCounted = (message) => agent.isWanted(agent.messageId(message.id), message.type, config.groups);
  /** A text for a message that stays the same when the id of its chat changes. @param {{fromMe: unknown, id: unknown}} id */
  const keyOfId = (id) => `${id.fromMe}_${id.id}`;

  Msg.on('add', (message) => {
    if (message.isNewMsg && isCounted(message)) counts.added += 1;
  });
  agent.wrapBinding('onAddMessageEvent', (passOn) => (raw) => {
    const answer = passOn(raw);
    if (raw.id && isCounted(raw) && !ciphertexts.delete(keyOfId(raw.id))) counts.emitted += 1;
    return answer;
  });
  agent.wrapBinding('onAddMessageCiphertextEvent', (passOn) => (raw) => {
    const answer = passOn(raw);
    if (raw.id && isCounted(raw)) {
      ciphertexts.add(keyOfId(raw.id));
      counts.emitted += 1;
    }
    return answer;
  });
  agent.wrapBinding('onReaction', (passOn) => (reactions) => passOn(reactionRecords(reactions)));
  watchCalls(agent);
  watchVotes(agent);

  /**
   * @type {'incoming' | 'complete' | null} how far the recent history has come, which WhatsApp sends after a link. Null where
   *   this build does not say
   */
  let history = null;
  /** Updates `history`. The page may answer by a promise: then the next heartbeat has the answer. */
  const readHistory = () => {
    if (history === 'complete') return;
    const status = firstOf(() => agent.requireOriginal('WAWebUserPrefsHistorySync').getHistorySyncStatus());
    const noteStatus = (/** @type {any} */ known) => {
      if (known) history = known.recentCompleted === true ? 'complete' : 'incoming';
    };
    if (typeof status?.then === 'function') status.then(noteStatus, () => {});
    else noteStatus(status);
  };
  const textOrNull = (/** @type {unknown} */ value) => (typeof value === 'string' ? value : null);

  // A heartbeat takes the same way as a message: binding, handler of the library, event. One that arrives proves that all work.
  const beat = () => {
    readHistory();
    page.onAddMessageEvent({
      id: { fromMe: true, remote: 'heartbeat', id: 'heartbeat' },
      type: 'leadmasterd_heartbeat',
      heartbeat: {
        socket_state: Socket.state ?? null,
        has_synced: Boolean(Socket.hasSynced),
        stream: textOrNull(Socket.stream),
        mode: textOrNull(firstOf(() => agent.requireOriginal('WAWebStreamModel').Stream.mode)),
        history,
        ...counts,
      },
    });
  };
  readHistory();
  agent.beat = beat;
  agent.timer = setInterval(beat, config.heartbeat);
  return noteAttached();
}

/**
 * Replaces a binding by what `wrap` makes of it. Does nothing if that was done before, or if there is no such binding. Puppeteer
 * keeps a binding's pending calls as properties of the function, so these are copied.
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
 * Who this account is, as the page knows it. Each value is null where this build does not have it.
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
