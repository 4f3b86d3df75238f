// The ways in which WhatsApp Web is known to behave otherwise than this stand-in first did: each is a switch with the page's
// own value and the old one. README.md shows this table (draw-ways.js), and a test holds the two together.

import { BadRequest } from './stanza.js';

/**
 * @typedef {string | number | boolean | null} Value
 * @typedef {object} Way
 * @property {Value} page what the page does
 * @property {Value} old what this stand-in did before the page's code was compared
 * @property {Value[]} [also] further values
 * @property {boolean} [number] any whole number from 0 on is a value too
 * @property {boolean} [atOnce] a change reaches the open page; without it, the next load
 * @property {string} what what it decides, with the meaning of its values
 * @property {string} evidence modules of WhatsApp Web's build of 2026-04-27 unless a date or a tracker says otherwise
 * @property {string} since since when the page is known to do so
 */

/** @satisfies {Record<string, Way>} */
export const WAYS = {
  resume: {
    page: 'by_count',
    old: 'blocking',
    also: ['nonblocking'],
    what: '`nonblocking`: hasSynced first; then what waited at the server is added with isNewMsg before it is on disk, and stored and acknowledged in batches. `blocking`: all of it is stored first, then hasSynced. `by_count`: fewer than 1000 waiting messages are nonblocking',
    evidence:
      'WAWebOfflineHandler, WAWebNonBlockingOfflineResumeManager, WAWebBlockingOfflineResumeManager, WAWebMessageProcessRenderable, WAWebMessageProcessorCache',
    since: '2026-04-27',
  },
  reconnect_limit: {
    page: 1000,
    old: null,
    number: true,
    atOnce: true,
    what: 'from so many waiting messages on, the page reloads itself when it reconnects; null: never',
    evidence: 'WAWebOfflineHandler, WAWebOfflineResumeUtils',
    since: '2026-04-27',
  },
  history: {
    page: 'chunks',
    old: 'at_once',
    what: '`chunks`: after a link, the newest message of each chat before hasSynced, the rest in chunks after it; then `recentCompleted`. `at_once`: all of it before hasSynced',
    evidence: 'WAWebSyncBootstrap, WAWebHandleHistorySyncChunk, WAWebUserPrefsHistorySync',
    since: '2026-04-27',
  },
  sync_ms: {
    page: 1500,
    old: 0,
    number: true,
    atOnce: true,
    what: 'milliseconds of silence between the scan and hasSynced. The page itself gives up after 180 s (`sync_limit_ms`): it unlinks itself and goes to `/?logout_reason=2`',
    evidence: 'WAWebHandleStreamError (515), WAWebSyncBootstrap, WAWebCompanionRegUtils, WAWebLogoutReason',
    since: '2026-04-27',
  },
  wait_for_listener: {
    page: false,
    old: true,
    what: 'hasSynced waits until something has subscribed to it, for at most ten seconds',
    evidence: 'WAWebSocketModel (no such wait)',
    since: '2026-04-27',
  },
  modules: {
    page: 'two_waves',
    old: 'at_once',
    what: '`two_waves`: Debug.VERSION before any module, then most of them, and calls, forwarding and other actions of the UI only after `late_ms`. `at_once`: all before Debug.VERSION',
    evidence: 'WAWebDebugSetup, WAWebMainWrapper; wa-js#3567 (2026-08-10), wa-js#3582 (2026-08-14)',
    since: '2026-08-10',
  },
  reconnect: {
    page: 'opening',
    old: 'timeout',
    atOnce: true,
    what: 'the states of a connection that is made again. `opening`: OPENING, PAIRING, CONNECTED. `timeout`: TIMEOUT, OPENING, CONNECTED',
    evidence: 'WAComms, WAWebCommsConfig, WAWebSocketConstants',
    since: '2026-04-27',
  },
  second_page: {
    page: 'replaced',
    old: 'conflict',
    atOnce: true,
    what: 'what a second connection does to the first. `replaced`: its stream ends for good, the state stays CONNECTED, no event. `conflict`: its state becomes CONFLICT',
    evidence: 'WAWebHandleStreamError, WAComms, WAWebSocketModel; whatsapp-mcp#27 (2026-04-12)',
    since: '2026-04-27',
  },
  unlink: {
    page: 'reload',
    old: 'post_logout',
    also: ['params'],
    atOnce: true,
    what: 'how a page leaves that was unlinked. `reload`: `starting_logout_from_bridge`, stores wiped, a plain reload, `logout_from_bridge`. `params`: to `/?logout_reason=N`. `post_logout`: to `/?post_logout=1&logout_reason=N`, as when wiping has failed',
    evidence: 'WAWebHandleStreamError, WAWebSocketModel, WAWebReloadAfterLogout, WAWebLogoutReason',
    since: '2026-04-27',
  },
  focus: {
    page: 'document',
    old: true,
    also: [false],
    what: 'whether the page takes itself for focused and announces `available`, else `unavailable`. `document`: as document.hasFocus() says when it connects, and again with each `focus` and `blur` of its window (false in headless Chromium 150, true in its headless shell); true, false: always or never',
    evidence: 'WAWebStreamModel, WAWebPresenceChatAction',
    since: '2026-04-27',
  },
  listeners: {
    page: 'throw',
    old: 'isolated',
    atOnce: true,
    what: '`throw`: an exception in a listener leaves `trigger`: later listeners are skipped, and it leaves `Msg.add` before the message gets into its chat. `isolated`: an uncaught error of the page, no more',
    evidence: 'WAWebEventEmitter, WAWebCollection, WAWebProcessMultipleMsgsAction',
    since: '2026-04-27',
  },
  add_order: {
    page: 'msg_first',
    old: 'chat_first',
    atOnce: true,
    what: '`msg_first`: `add` in Msg fires before the chat has the message. `chat_first`: after',
    evidence: 'WAWebProcessMultipleMsgsAction, WAWebHandleNewMsgAction',
    since: '2026-04-27',
  },
  edit_key: {
    page: 'edit',
    old: 'message',
    atOnce: true,
    what: "`latestEditMsgKey` is the edit's own key, or the message's and in memory only; a sealed edit has its own either way",
    evidence: 'WAWebMsgCollection, WAWebMessageEditDecryptedMsgDataConversion, WAWebABPropsConfigs (17811)',
    since: '2026-04-27',
  },
  revoke_id: {
    page: 'new',
    old: 'same',
    atOnce: true,
    what: '`new`: a revoked message takes the id of the revocation, on disk too; the key it had is in protocolMessageKey, and `revoked` is told before the change. `same`: it keeps its id',
    evidence: 'WAWebRevoke, WAWebRevokeMsgAction, WAWebDBStoreRevokeMsgs',
    since: '2026-04-27',
  },
  decrypt: {
    page: 'one_set',
    old: 'two_sets',
    atOnce: true,
    what: 'a message decrypted late changes in one `set`, or its body before its type',
    evidence: 'WAWebUpdateMessageUIAction',
    since: '2026-04-27',
  },
  calls: {
    page: 'native',
    old: 'map',
    atOnce: true,
    what: '`native`: a ringing call goes to `setActiveCall` and is in no collection; the line of one missed while away, or of another day, is hidden in its chat (viewMode). `map`: it is set in the Map of the collection',
    evidence:
      'wa-js#3567 (2026-08-10); WAWebVoipActionWriteCallLogOfferNotice; the Map is still there in WAWebCallCollection',
    since: '2026-08-10',
  },
  paging: {
    page: 'page',
    old: 'old',
    atOnce: true,
    what: '`page`: loadEarlierMsgs answers `undefined` once the end is marked (`noEarlierMsgs`), `[]` after five failed tries, and at once when its anchor is not on disk. Any page that is not full marks the end, and so does such a `[]`; only a chat whose history is incomplete gets no mark. `old`: `[]` at the end and after an error',
    evidence: 'WAWebChatLoadMessages, WAWebDBMessageFindLocal',
    since: '2026-04-27',
  },
  disk_order: {
    page: 'arrival',
    old: 'time',
    what: 'messages are read back in the order of their arrival, history before what was there, or in that of their time',
    evidence: 'WAWebDBMessageUtils, WAWebDBStoreEncryptedMsgs',
    since: '2026-04-27',
  },
  chats_in_memory: {
    page: 100,
    old: null,
    number: true,
    what: 'so many chats have messages in memory before the offline delivery has ended; the others have `pendingInitialLoading` and are empty, and paging them waits for that. A chat active within a day gets its unread messages and five more, but 20 or more unread ones stay out of `chat.msgs`. null: all chats, the newest message of each',
    evidence: 'WAWebRestoreChatsAndMessages, WAWebChatModel, WAWebABPropsConfigs (1171)',
    since: '2026-04-27',
  },
  find_local: {
    page: true,
    old: false,
    what: 'WAWebDBMessageFindLocal exists: plain records from the disk; a reading error rejects',
    evidence: 'WAWebDBMessageFindLocal',
    since: '2026-04-27',
  },
  qr_refs: {
    page: 6,
    old: null,
    number: true,
    atOnce: true,
    what: 'QR references that a page gets with one connection, the first for `--qr-first`, the others for `--qr-period`; then its state is UNPAIRED_IDLE and it shows none. null: for ever',
    evidence: 'WAWebHandlePairDevice',
    since: '2026-04-27',
  },
  refresh_qr: {
    page: 'launch_socket',
    old: 'cmd',
    what: 'new references come by WAWebLaunchSocketUtils.refreshQR and BackendEventBus.triggerRefreshQR, or by Cmd.refreshQR',
    evidence: 'WAWebLaunchSocketUtils, WAWebBackendEventBus, WAWebCmd',
    since: '2026-04-27',
  },
  pairing_limits: {
    page: true,
    old: false,
    atOnce: true,
    what: 'a pairing code is good for 180 s (`--code-limit`) and three answers of the phone, and a second request while one runs fails',
    evidence: 'WAWebAltDeviceLinkingApi',
    since: '2026-04-27',
  },
};

/** @typedef {keyof typeof WAYS} WayName */
/** @typedef {Record<WayName, any>} Ways the value of each */
/** @typedef {'page' | 'old'} Side */

/** What a stand-in plays when nobody says otherwise. @type {Side} */
export const DEFAULT_SIDE = 'page';

/** @type {Record<string, Way>} */
const table = WAYS;

/** The values of a way that have a name: the page's, the old one, then others. @param {string} name @returns {Value[]} */
export const valuesOf = (name) => {
  const { page, old, also = [] } = table[name];
  return [page, old, ...also];
};

/**
 * Checks a way and its value. Throws BadRequest for one that does not exist.
 * @param {string} name
 * @param {unknown} value
 * @returns {Value} the same value
 */
export function checkWay(name, value) {
  if (!Object.hasOwn(table, name))
    throw new BadRequest(`cannot set the way ${name}; known: ${Object.keys(table).join(', ')}`);
  const known = valuesOf(name);
  const isCount = Number.isSafeInteger(value) && Number(value) >= 0;
  const mayBeCount = table[name].number === true;
  if (!(mayBeCount && isCount) && !known.includes(/** @type {Value} */ (value))) {
    const texts = [...known.map((each) => JSON.stringify(each)), ...(table[name].number ? ['a number'] : [])];
    throw new BadRequest(
      `cannot set the way ${name} to ${JSON.stringify(value)}; known: ${texts.join(', ')}`,
    );
  }
  return /** @type {Value} */ (value);
}

/**
 * All ways of a side, with single ones set otherwise.
 * @param {Side | (Partial<Ways> & {side?: Side}) | undefined} given all of one side, or single ways over those of `side`
 * @returns {Ways}
 */
export function completeWays(given = {}) {
  const { side = DEFAULT_SIDE, ...single } = typeof given === 'string' ? { side: given } : given;
  if (side !== 'page' && side !== 'old')
    throw new BadRequest(`cannot play the ways ${JSON.stringify(side)}: it must be "page" or "old"`);
  const ways = Object.fromEntries(Object.entries(table).map(([name, way]) => [name, way[side]]));
  for (const [name, value] of Object.entries(single)) ways[name] = checkWay(name, value);
  return /** @type {Ways} */ (ways);
}

/**
 * Reads ways from the command line.
 * @param {string[]} texts each NAME=VALUE, as on the command line; a value is JSON or else a text
 * @returns {Record<string, unknown>}
 */
export function parseWays(texts) {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^(\w+)=(.*)$/.exec(text) ?? [];
      if (name === undefined) throw new BadRequest(`cannot read the way ${text}: it must be NAME=VALUE`);
      try {
        return [name, JSON.parse(value)];
      } catch {
        return [name, value];
      }
    }),
  );
}
