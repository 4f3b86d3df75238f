// The compatibility check: what capture relies on in WhatsApp Web, by module and member, and what is lost when a build
// lacks it. WhatsApp Web changes every four to eight weeks, and a missing name ends as an error in the page that nobody
// sees. So every page load is compared with this list, and the difference is reported (as `contract`, its name on the
// wire). The canary (../canary) compares a saved copy of the page's modules with the same list.
import { createRequire } from 'node:module';
import { inspectPage } from './page/compatibility.js';

/**
 * @typedef {'qr' | 'pairing_code' | 'passkey' | 'live' | 'stream' | 'sweep' | 'history' | 'contacts' | 'edits'
 *   | 'reactions' | 'votes' | 'calls' | 'account' | 'presence' | 'guard'} Capability
 *
 * @typedef {object} Member
 * @property {string} module
 * @property {string} name path within the module's exports
 * @property {'be called' | 'be' | 'hold a Map' | 'be guarded' | 'trigger'} must `be called`: be a function; `be`: be there;
 *   `hold a Map`: be a function of a module that has a Map; `be guarded`: be replaced by our blocker; `trigger`: be an emitter
 *   that triggers `event`
 * @property {string} [event] with `trigger`: the event, whose name must stand in the source of some function of the member
 *
 * @typedef {object} Role what a member is for
 * @property {Capability} costs what is lost without it
 * @property {Member[]} [or] alternatives: it is enough if one of them or the member itself is there
 * @property {boolean} boot checked as soon as the page is up; the others may be loaded later and are checked when the
 *   library attaches
 *
 * @typedef {Member & Role} Requirement
 * @typedef {{module: string, function: string, costs: Capability}} Named as on the wire
 * @typedef {string | number | boolean | null} SwitchValue null: the page does not have it, or not yet
 */

/**
 * Requirements for one capability, one for each member. Without `more` they must be functions, and are checked when the library
 * attaches.
 * @param {Capability} costs
 * @param {Record<string, string[]>} names module -> members
 * @param {Partial<Requirement>} [more] what differs from that in each of them
 * @returns {Requirement[]}
 */
function required(costs, names, more = {}) {
  return Object.entries(names).flatMap(([module, members]) =>
    members.map((name) => ({ ...member(module, name), costs, boot: false, ...more })),
  );
}

/**
 * @param {string} module
 * @param {string} name
 * @param {Member['must']} [must]
 * @returns {Member}
 */
function member(module, name, must = 'be called') {
  return { module, name, must };
}

/** How a member is written on the wire and for people. @param {Member} member */
export const shownName = ({ name, event }) => (event === undefined ? name : `${name}.on('${event}')`);

/** @type {Requirement[]} each group with the place in our code, or in the library's, that relies on it */
export const REQUIREMENTS = [
  // AuthStore.js:3-21, Client.js:146-277
  ...required('live', { WAWebSocketModel: ['Socket.on'] }, { boot: true }),
  ...required(
    'qr',
    {
      WAWebConnModel: ['Conn.on'],
      WABase64: ['encodeB64'],
      WAWebUserPrefsInfoStore: ['waNoiseInfo.get'],
      WAWebSignalStoreApi: ['waSignalStore.getRegistrationInfo'],
      WAWebUserPrefsMultiDevice: ['getADVSecretKey'],
    },
    { boot: true },
  ),
  // page/edges.js: new codes when the page stops showing them. `Cmd` has it no longer (build of 2026-04-27).
  ...required(
    'qr',
    { WAWebLaunchSocketUtils: ['refreshQR'] },
    {
      boot: true,
      or: [
        member('WAWebBackendEventBus', 'BackendEventBus.triggerRefreshQR'),
        member('WAWebCmd', 'Cmd.refreshQR'),
      ],
    },
  ),
  ...required('qr', { WAWebCompanionRegClientUtils: ['DEVICE_PLATFORM'] }, { boot: true, must: 'be' }),
  ...required(
    'pairing_code',
    { WAWebAltDeviceLinkingApi: ['setPairingType', 'initializeAltDeviceLinking', 'startAltLinkingFlow'] },
    { boot: true },
  ),
  // The passkey step of linking fires here first (page of mid 2026; the module is older).
  ...required('passkey', { WAWebLinkDeviceEvents: ['WAWebLinkDeviceEvents.on'] }, { boot: true }),
  // page/watch-screens.js: where the page keeps that it waits for a later check
  ...required('passkey', { WAWebUserPrefsIndexedDBStorage: ['userPrefsIdb.get'] }),
  // What the page hears of its own account. Each event is triggered by a function of Cmd that bears its name in its text.
  ...[
    'starting_logout_from_bridge',
    'logout_from_bridge',
    'account_temporarily_banned_from_bridge',
    'service_unavailable_503_from_bridge',
  ].flatMap((event) => required('account', { WAWebCmd: ['Cmd'] }, { boot: true, must: 'trigger', event })),
  // page/agent.js, the heartbeat: when another session has taken over, `state` stays CONNECTED and only `stream` says
  // DISCONNECTED (WAWebHandleStreamError, 2026-04-27).
  ...required('stream', { WAWebSocketModel: ['Socket.stream'] }, { boot: true, must: 'be' }),
  // page/watch-screens.js: the screen that stands instead of the chats
  ...required('stream', { WAWebStreamModel: ['Stream.mode'] }, { must: 'be' }),
  // Client.js:341-360: without an account `ready` carries nothing to store messages under
  ...required(
    'live',
    { WAWebUserPrefsMeUser: ['getMaybeMePnUser'] },
    {
      or: [member('WAWebUserPrefsMeUser', 'getMaybeMeLidUser'), member('WAWebConnModel', 'Conn.wid', 'be')],
    },
  ),
  // Client.js:1023-1237
  ...required('live', { WAWebCollections: ['Msg.on'] }),
  ...required('edits', { WAWebCollections: ['Msg.on'] }),
  // Calls reach the Map, or since mid 2026 only setActiveCall (a model that is not in the Map).
  ...required(
    'calls',
    { WAWebCallCollection: ['on'] },
    { must: 'hold a Map', or: [member('WAWebCallCollection', 'setActiveCall')] },
  ),
  ...required('reactions', {
    WAWebAddonReactionTableMode: ['reactionTableMode.bulkUpsert', 'reactionTableMode.bulkGetByParentMsgKey'],
  }),
  // page/votes.js
  ...required('votes', {
    WAWebPollsPollVoteCollection: ['PollVoteCollection.on'],
    WAWebPollsVotesSchema: ['getTable'],
    WAWebAddonPollVoteTableMode: ['pollVoteTableMode.bulkGetByParentMsgKey'],
    WAWebDBMsgUtils: ['getMsgsByMsgKey'],
  }),
  // page/sweep.js
  ...required('sweep', { WAWebCollections: ['Chat.getModelsArray'] }),
  ...required(
    'sweep',
    { WAWebDBMessageFindLocal: ['msgFindByDirection'] },
    {
      or: [
        member('WAWebDBMessageFindLocal', 'msgFindBefore'),
        member('WAWebChatLoadMessages', 'loadEarlierMsgs'),
      ],
    },
  ),
  // When all is there: the recent history after a link, and what waited while the page was away.
  ...required('history', { WAWebUserPrefsHistorySync: ['getHistorySyncStatus'] }),
  ...required('history', { WAWebCmd: ['Cmd.isOfflineDeliveryEnd'] }, { must: 'be' }),
  // page/records.js
  ...required('contacts', {
    WAWebCollections: ['Contact.get'],
    WAWebApiContact: ['getPhoneNumber', 'getCurrentLid'],
    WAWebWidFactory: ['createWid'],
    WAWebFrontendContactGetters: ['getIsMyContact'],
  }),
  // client.js
  ...required('presence', { WAWebPresenceChatAction: ['sendPresenceUnavailable'] }),
  // page/guard.js: of the functions in boundary.js, one for each way the library has to send. A missing one was renamed, and
  // its new name is not guarded.
  ...required(
    'guard',
    {
      WAWebSendMsgChatAction: ['addAndSendMsgToChat'],
      WAWebSendReactionMsgAction: ['sendReactionToMsg'],
      WAWebUpdateUnreadChatAction: ['sendSeen'],
      WAWebChatStateBridge: ['sendChatStateComposing'],
      WAWebPresenceChatAction: ['sendPresenceAvailable'],
      WAWebStreamModel: ['Stream.markAvailable'],
    },
    { must: 'be guarded' },
  ),
];

/**
 * A/B switches (WAWebABPropsConfigs, 2026-04-27) that choose how the page does something, where capture must work with each way.
 * WhatsApp's server may give two accounts different values.
 */
export const SWITCHES = [
  // From this many waiting messages on, a start handles them before it says it is synced; below, after.
  'web_non_blocking_offline_resume_max_message_count',
  // How many chats are in memory before the waiting messages are through.
  'web_init_chat_batch_size',
  // How many waiting messages are written to disk, and asked for, at once.
  'web_message_processing_cache_size',
  'web_offline_resume_max_batch_size',
  // Whether edits arrive sealed, and for how long one may be made.
  'message_edit_to_message_secret_receiver_enabled',
  'message_edit_window_duration_seconds',
  // Whether linking may ask for a passkey.
  'shortcake_companion_prologue__passkeys__enabled',
];

/** @type {string[]} types of messages that the daemon knows how to read (leadmasterd/readable.py) */
export const KNOWN_TYPES = createRequire(import.meta.url)('./message/known-types.json');
/** How many new types are reported, and how many characters of each: the page is not trusted. */
const MOST_TYPES = 50;
const LONGEST_TYPE = 60;

/** How often modules that are not loaded yet are looked for again, within the time that they have. */
const LOOKS = 5;

/**
 * Keeps what the last look at the page has shown: what this build lacks (`missing`), and what may still be loaded (`late`).
 * @param {object} parts
 * @param {import('./page-calls.js').PageCall} parts.call
 * @param {import('./page/install.js').PageConfig} parts.config
 * @param {number} parts.patience milliseconds since the library attached in which a module may still be loaded. WhatsApp
 *   Web loads in waves (calls and parts of its interface come last), and `require` throws alike for what is still to come
 *   and for what is gone
 * @param {() => boolean} parts.attached whether the page is ready to be described
 * @param {(found: {web_version: string | null, missing: Named[], late: Named[]}) => void} parts.report sends `contract`
 * @param {(page: {web_version: string | null, ab: Record<string, SwitchValue>, new_types: string[],
 *   required: Named[], missing: Named[], late: Named[], check: number | null, error: string | null}) => void} parts.reportPage
 *   sends `page`
 */
export function createCompatibilityCheck({ call, config, patience, attached, report, reportPage }) {
  let reported = '';
  /** @type {string | null} */
  let version = null;
  /** @type {Record<string, SwitchValue>} */
  let ab = {};
  /** @type {string[]} */
  let newTypes = [];
  /** @type {Set<Requirement>} */
  let missing = new Set();
  /** @type {Set<Requirement>} */
  let late = new Set();
  /** The page load in which the library attached last, since when, and whether it has been described. */
  const load = { document: '', attachedAt: 0, described: false };
  /** @type {NodeJS.Timeout | undefined} */
  let lookingAgain;
  let stopped = false;

  /**
   * Looks at the page and notes what it shows.
   * @param {'booted' | 'failed' | 'attached'} when the page is up; the library could not inject; its listeners are attached
   * @returns {Promise<boolean>} false: the page is not up, or gone, and what is known stays as it was
   */
  async function look(when) {
    clearTimeout(lookingAgain);
    const isAttached = when === 'attached';
    const checked = isAttached ? REQUIREMENTS : REQUIREMENTS.filter(({ boot }) => boot);
    const page = await call(inspectPage, config, checked, SWITCHES).catch(() => null);
    if (isAttached) lookAgainLater();
    if (page === null) return false;
    if (page.web_version !== version) {
      // another build: what was known of the last one does not count
      missing = new Set();
      late = new Set();
    }
    if (isAttached && page.document !== load.document)
      Object.assign(load, { document: page.document, attachedAt: Date.now(), described: false });
    const isTimeOver = isAttached && Date.now() - load.attachedAt >= patience;
    const mayStillLoad = when !== 'failed' && !isTimeOver; // failed: the library has asked for its modules in vain
    const nowMissing = new Set(page.missing.map((index) => checked[index]));
    const nowLate = new Set();
    for (const each of page.unloaded.map((index) => checked[index])) {
      // What this build lacked at an earlier load does not become late at the next.
      if (mayStillLoad && !missing.has(each)) nowLate.add(each);
      else nowMissing.add(each);
    }
    if (!isAttached) {
      // What is checked only when the library has attached stays as it was.
      for (const each of missing) if (!each.boot) nowMissing.add(each);
      for (const each of late) if (!each.boot) nowLate.add(each);
    }
    version = page.web_version;
    ab = page.ab;
    missing = nowMissing;
    late = nowLate;
    newTypes = page.types
      .filter((type) => !KNOWN_TYPES.includes(type))
      .slice(0, MOST_TYPES)
      .map((type) => type.slice(0, LONGEST_TYPE));
    return true;
  }

  /** Plans another look for modules that are late. */
  function lookAgainLater() {
    clearTimeout(lookingAgain);
    if (stopped) return;
    lookingAgain = setTimeout(() => {
      if (late.size > 0) void check('attached');
    }, patience / LOOKS).unref();
  }

  /** Sends `contract`, if what it says has changed. */
  function reportChange() {
    const result = { web_version: version, missing: named(missing), late: named(late) };
    const text = JSON.stringify(result);
    if (text === reported) return;
    reported = text;
    report(result);
  }

  /**
   * Sends `page`: all that is known of the page.
   * @param {number | null} number of the command that asked for it, null without one
   * @param {string | null} error why it could not be looked at just now: then it is what was known before
   */
  function describe(number, error = null) {
    reportPage({
      web_version: version,
      ab,
      new_types: newTypes,
      required: named(new Set(REQUIREMENTS)),
      missing: named(missing),
      late: named(late),
      check: number,
      error,
    });
  }

  /**
   * Compares the page with the requirements and reports what has changed; describes each page load once, when the library
   * has attached. Never fails.
   * @param {'booted' | 'failed' | 'attached'} when the page is up; the library could not inject; its listeners are attached
   */
  async function check(when) {
    if (!(await look(when))) return;
    reportChange();
    if (when !== 'attached' || load.described) return;
    load.described = true;
    describe(null);
  }

  return {
    check,

    /** Looks at the page now and describes it, as a command asked. Only reads. @param {number} number of the command */
    async answer(number) {
      if (!attached()) return describe(number, 'the page is not ready');
      if (!(await look('attached'))) return describe(number, 'the page did not answer');
      load.described = true;
      reportChange();
      describe(number);
    },

    /** No further look is planned from now on. */
    stop() {
      stopped = true;
      clearTimeout(lookingAgain);
    },
  };
}

/**
 * @param {Set<Requirement>} some
 * @returns {Named[]} as on the wire, in the order of REQUIREMENTS
 */
function named(some) {
  return REQUIREMENTS.filter((each) => some.has(each)).map((each) => ({
    module: each.module,
    function: shownName(each),
    costs: each.costs,
  }));
}
