// The compatibility check: what capture relies on in WhatsApp Web, by name, and what is lost when a build lacks it.
// WhatsApp Web changes every four to eight weeks, and a missing name ends as an error in the page that nobody sees. So
// every page load is compared with this list, and the difference is reported (as `contract`, its name on the wire).
import { findMissing } from './page/compatibility.js';

/**
 * @typedef {'qr' | 'pairing_code' | 'live' | 'sweep' | 'contacts' | 'edits' | 'reactions' | 'calls' | 'presence' | 'guard'} Capability
 * @typedef {object} Requirement
 * @property {string} module
 * @property {string} name path of the function within the module's exports
 * @property {Capability} costs
 * @property {'be called' | 'be' | 'hold a Map' | 'be guarded'} must
 * @property {{module: string, name: string}[]} [or] alternatives: one of them is enough
 * @property {boolean} boot checked as soon as the page is up; the others may be loaded late and are checked when the
 *   library attaches
 */

/**
 * @param {Capability} costs
 * @param {Record<string, string[]>} names module -> functions
 * @param {Partial<Requirement>} [more]
 * @returns {Requirement[]}
 */
function required(costs, names, more = {}) {
  return Object.entries(names).flatMap(([module, functions]) =>
    functions.map((name) => ({
      module,
      name,
      costs,
      must: /** @type {const} */ ('be called'),
      boot: false,
      ...more,
    })),
  );
}

/** @type {Requirement[]} */
export const REQUIREMENTS = [
  // AuthStore.js:3-21, Client.js:146-277
  ...required('live', { WAWebSocketModel: ['Socket.on'] }, { boot: true }),
  ...required(
    'qr',
    {
      WAWebConnModel: ['Conn.on'],
      WAWebCmd: ['Cmd.refreshQR'],
      WABase64: ['encodeB64'],
      WAWebUserPrefsInfoStore: ['waNoiseInfo.get'],
      WAWebSignalStoreApi: ['waSignalStore.getRegistrationInfo'],
      WAWebUserPrefsMultiDevice: ['getADVSecretKey'],
    },
    { boot: true },
  ),
  ...required('qr', { WAWebCompanionRegClientUtils: ['DEVICE_PLATFORM'] }, { boot: true, must: 'be' }),
  ...required(
    'pairing_code',
    { WAWebAltDeviceLinkingApi: ['setPairingType', 'initializeAltDeviceLinking', 'startAltLinkingFlow'] },
    { boot: true },
  ),
  // Client.js:341-360: without an account `ready` carries nothing to store messages under
  ...required(
    'live',
    { WAWebUserPrefsMeUser: ['getMaybeMePnUser'] },
    {
      or: [
        { module: 'WAWebUserPrefsMeUser', name: 'getMaybeMeLidUser' },
        { module: 'WAWebConnModel', name: 'Conn.wid' },
      ],
    },
  ),
  // Client.js:1023-1237
  ...required('live', { WAWebCollections: ['Msg.on'] }),
  ...required('edits', { WAWebCollections: ['Msg.on'] }),
  ...required('calls', { WAWebCallCollection: ['on'] }, { must: 'hold a Map' }),
  ...required('reactions', { WAWebAddonReactionTableMode: ['reactionTableMode.bulkUpsert'] }),
  // page/sweep.js
  ...required('sweep', {
    WAWebCollections: ['Chat.getModelsArray'],
    WAWebChatLoadMessages: ['loadEarlierMsgs'],
  }),
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
 * @param {object} parts
 * @param {import('./page-calls.js').PageCall} parts.call
 * @param {import('./page/install.js').PageConfig} parts.config
 * @param {(found: {web_version: string | null, missing: {module: string, function: string, costs: Capability}[]}) => void} parts.report
 */
export function createCompatibilityCheck({ call, config, report }) {
  let reported = '';
  /** @type {string | null} */
  let version = null;
  /** @type {Set<Requirement>} */
  let missing = new Set();

  return {
    /**
     * Compares the page with the requirements, and reports what is missing when that has changed. Never fails.
     * @param {'booted' | 'attached'} when
     */
    async check(when) {
      const checked = when === 'booted' ? REQUIREMENTS.filter(({ boot }) => boot) : REQUIREMENTS;
      const answer = await call(findMissing, config, checked).catch(() => null);
      if (answer === null) return; // not up, or gone: its next load is checked again
      const found = new Set(answer.missing.map((index) => checked[index]));
      // What only an attached page can show stays as it was, until this load is attached or the build is another.
      if (when === 'booted' && answer.web_version === version) {
        for (const each of missing) if (!each.boot) found.add(each);
      }
      version = answer.web_version;
      missing = found;
      const result = {
        web_version: version,
        missing: REQUIREMENTS.filter((each) => missing.has(each)).map(({ module, name, costs }) => ({
          module,
          function: name,
          costs,
        })),
      };
      const text = JSON.stringify(result);
      if (text === reported) return;
      reported = text;
      report(result);
    },
  };
}
