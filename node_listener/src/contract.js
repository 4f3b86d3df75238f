// What capture relies on in WhatsApp Web, by name, and what each costs when a new build has it no more. The page changes
// under the library every four to eight weeks, and what is not found ends in the page as an error nobody sees: so every
// load is compared with this list and the difference told.
import { readPromises } from './page/promises.js';

/**
 * @typedef {'qr' | 'pairing_code' | 'live' | 'sweep' | 'contacts' | 'edits' | 'reactions' | 'calls' | 'presence' | 'guard'} Capability
 * @typedef {object} Promised
 * @property {string} module
 * @property {string} name of the function, from the module's exports on
 * @property {Capability} costs
 * @property {'be called' | 'be' | 'hold a Map' | 'be guarded'} must
 * @property {{module: string, name: string}[]} [or] one of these does as well
 * @property {boolean} boot asked for as soon as the page is up; the rest may be loaded late, and is looked at when the
 *   library attaches
 */

/**
 * @param {Capability} costs
 * @param {Record<string, string[]>} names module -> functions
 * @param {Partial<Promised>} [more]
 * @returns {Promised[]}
 */
function promised(costs, names, more = {}) {
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

/** @type {Promised[]} */
export const CONTRACT = [
  // AuthStore.js:3-21, Client.js:146-277
  ...promised('live', { WAWebSocketModel: ['Socket.on'] }, { boot: true }),
  ...promised(
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
  ...promised('qr', { WAWebCompanionRegClientUtils: ['DEVICE_PLATFORM'] }, { boot: true, must: 'be' }),
  ...promised(
    'pairing_code',
    { WAWebAltDeviceLinkingApi: ['setPairingType', 'initializeAltDeviceLinking', 'startAltLinkingFlow'] },
    { boot: true },
  ),
  // Client.js:341-360: without an account ready says nothing that could be stored
  ...promised(
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
  ...promised('live', { WAWebCollections: ['Msg.on'] }),
  ...promised('edits', { WAWebCollections: ['Msg.on'] }),
  ...promised('calls', { WAWebCallCollection: ['on'] }, { must: 'hold a Map' }),
  ...promised('reactions', { WAWebAddonReactionTableMode: ['reactionTableMode.bulkUpsert'] }),
  // page/sweep.js
  ...promised('sweep', {
    WAWebCollections: ['Chat.getModelsArray'],
    WAWebChatLoadMessages: ['loadEarlierMsgs'],
  }),
  // page/records.js
  ...promised('contacts', {
    WAWebCollections: ['Contact.get'],
    WAWebApiContact: ['getPhoneNumber', 'getCurrentLid'],
    WAWebWidFactory: ['createWid'],
    WAWebFrontendContactGetters: ['getIsMyContact'],
  }),
  // client.js
  ...promised('presence', { WAWebPresenceChatAction: ['sendPresenceUnavailable'] }),
  // page/guard.js: of what boundary.js lists, one for each way out that the library has. Where it is gone it was renamed,
  // and the new name is not wrapped.
  ...promised(
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
 * @param {(contract: {web_version: string | null, missing: {module: string, function: string, costs: Capability}[]}) => void} parts.tell
 */
export function createContract({ call, config, tell }) {
  let told = '';
  /** @type {string | null} */
  let version = null;
  /** @type {Set<Promised>} */
  let missing = new Set();

  return {
    /**
     * Compares the page with the contract, and tells what differs from what was told last. Never fails.
     * @param {'booted' | 'attached'} when
     */
    async check(when) {
      const looked = when === 'booted' ? CONTRACT.filter(({ boot }) => boot) : CONTRACT;
      const found = await call(readPromises, config, looked).catch(() => null);
      if (found === null) return; // not up, or gone: its next load is looked at again
      const broken = new Set(found.missing.map((index) => looked[index]));
      // What only an attached page can show is taken as it was, until this load is attached or the build is another.
      if (when === 'booted' && found.web_version === version) {
        for (const each of missing) if (!each.boot) broken.add(each);
      }
      version = found.web_version;
      missing = broken;
      const contract = {
        web_version: version,
        missing: CONTRACT.filter((each) => broken.has(each)).map(({ module, name, costs }) => ({
          module,
          function: name,
          costs,
        })),
      };
      const text = JSON.stringify(contract);
      if (text === told) return;
      told = text;
      tell(contract);
    },
  };
}
