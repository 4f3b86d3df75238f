// window.require: the modules of WhatsApp Web that the library asks for. An unknown name throws, as in the real page.

import { callCollection } from './calls.js';
import { config } from './config.js';
import { historyStatus } from './history.js';
import { createWid, MsgKey } from './ids.js';
import { linkDeviceEvents, shortcakeLinkingApi, storageCmd } from './passkey.js';
import { getMsgsByMsgKey, loadEarlierMsgs, messageFindLocal } from './reading.js';
import { report, session, summary } from './report.js';
import { recordSent, sendingModules } from './sending.js';
import * as socket from './socket.js';
import { userPrefs } from './storage.js';
import {
  PollVoteCollection,
  pollVotesTable,
  pollVoteTableMode,
  reactionTableMode,
  storeOwn,
} from './storing.js';
import * as world from './world.js';

const { Cmd, Conn, Socket } = socket;

/** A function that reports itself to the server as a query, and answers with what `answer` makes of the server's reply. */
function query(name, answer) {
  return async (...args) => {
    const said = await report('query', { name, arguments: summary(args) });
    return answer?.(said, ...args);
  };
}

function findLinks(text) {
  return [...`${text ?? ''}`.matchAll(/\bhttps?:\/\/\S+/g)].map(([href]) => ({
    href,
    suspiciousCharacters: new Set(),
  }));
}

/**
 * The core of client.sendMessage: records the call, then shows the message as our own, as the real one does.
 * @returns two promises, as the real one does: the message in memory, and the result of sending it
 */
function addAndSendMsgToChat(_chat, message) {
  const module = 'WAWebSendMsgChatAction';
  const recorded = recordSent(module, 'addAndSendMsgToChat', [message.to, message]);
  const { id, from, to, body, type, t } = message;
  const stanza = {
    id: id.id,
    fromMe: true,
    remote: `${id.remote}`,
    t,
    type,
    body,
    from: `${from}`,
    to: `${to}`,
  };
  if (id.participant)
    Object.assign(stanza, { participant: `${id.participant}`, author: `${id.participant}` });
  const shown = recorded.then(async () => {
    const record = await storeOwn(stanza);
    return record && world.addMsg(record, true);
  });
  const result = shown.then((msg) => {
    msg?.set('ack', 1);
    return { messageSendResult: 'OK', t };
  });
  return [shown, result];
}

const contactGetters = {
  getIsMe: (contact) => socket.isMe(contact.id),
  getIsUser: (contact) => contact.id.isUser(),
  getIsGroup: (contact) => contact.id.isGroup(),
  getIsWAContact: () => true,
  getUserid: (contact) => contact.id.user,
  getVerifiedName: (contact) => contact.verifiedName,
  getVerifiedLevel: (contact) => (contact.verifiedName ? 2 : 0),
  getStatusMute: () => false,
  getName: (contact) => contact.name,
  getShortName: (contact) => contact.shortName,
  getPushname: (contact) => contact.pushname,
  getIsEnterprise: (contact) => Boolean(contact.isEnterprise),
  getIsBusiness: (contact) => Boolean(contact.isBusiness),
};

const apiContact = {
  getCurrentLid: world.currentLid,
  getPhoneNumber: world.phoneNumber,
  getAlternateUserWid: (wid) => (wid.isLid() ? world.phoneNumber(wid) : world.currentLid(wid)),
};

const WORLD = {
  WAWebCollections: {
    Msg: world.Msg,
    Chat: world.Chat,
    Contact: world.Contact,
    Blocklist: world.Blocklist,
    BusinessProfile: world.BusinessProfile,
    GroupMetadata: world.GroupMetadata,
    ProfilePicThumb: world.ProfilePicThumb,
    Label: world.Label,
    Status: world.Status,
    Reactions: { find: async () => null },
    WAWebNewsletterCollection: world.Newsletter,
    NewsletterMetadataCollection: world.NewsletterMetadata,
  },
  WAWebCallCollection: callCollection,
  WAWebChatLoadMessages: { loadEarlierMsgs },
  ...(config.ways.find_local && { WAWebDBMessageFindLocal: messageFindLocal }),
  WAWebFindChatAction: {
    findOrCreateLatestChat: async (wid) => ({ chat: world.ensureChat(createWid(wid)) }),
  },
  WAWebChatGetters: {
    getIsNewsletter: (chat) => chat.id.isNewsletter(),
    getIsBroadcast: (chat) => chat.id.isBroadcast(),
    getIsGroup: (chat) => chat.id.isGroup(),
  },
  WAWebContactCollection: { getMeContact: () => world.Contact.gadd(socket.myPn()) },
  WAWebContactGetters: contactGetters,
  WAWebFrontendContactGetters: { getIsMyContact: (contact) => Boolean(contact.name) },
  WAWebApiContact: apiContact,
  WAWebLidMigrationUtils: {
    toPn: (wid) => (createWid(wid).isLid() ? world.phoneNumber(createWid(wid)) : wid),
  },
  WAWebAddonReactionTableMode: { reactionTableMode },
  WAWebAddonPollVoteTableMode: { pollVoteTableMode },
  WAWebPollsPollVoteCollection: { PollVoteCollection },
  WAWebPollsVotesSchema: { getTable: () => pollVotesTable },
  WAWebDBMsgUtils: { getMsgsByMsgKey },
  WAWebBackendJobsCommon: { mediaTypeFromProtobuf: () => null },
  WAWebE2EProtoUtils: { typeAttributeFromProtobuf: () => 'text' },
};

// A code is asked for at one stage only, and each one asked for begins anew (WAWebAltDeviceLinkingApi).
let pairingStage = 'NotStarted';
let pairingType = 'QR_CODE';
const altDeviceLinkingApi = {
  getPairingType: () => pairingType,
  setPairingType: (type) => {
    pairingType = type;
  },
  initializeAltDeviceLinking: async () => {
    pairingStage = 'Initialized';
  },
  initializeQRLinking: async () => {
    pairingStage = 'NotStarted';
  },
  startAltLinkingFlow: async (phone) => {
    if (config.ways.pairing_limits && pairingStage !== 'Initialized')
      throw new Error(`cannot start alternative linking at the stage ${pairingStage}`);
    pairingStage = 'AfterSendCompanionHello';
    return (await report('pairing_code', { phone })).code;
  },
};

/** Names, codes and defaults of WAWebABPropsConfigs (2026-04-27), and what the server says here. */
const AB_PROPS = {
  web_non_blocking_offline_resume_max_message_count: [2508, 'int', 1000],
  web_init_chat_batch_size: [1171, 'int', 100],
  web_message_processing_cache_size: [3728, 'int', 400],
  message_edit_to_message_secret_receiver_enabled: [17811, 'bool', false],
};
const AB_CACHE = new Map([
  [2508, { blocking: 0, nonblocking: Number.MAX_SAFE_INTEGER }[config.ways.resume] ?? 1000],
  [1171, config.ways.chats_in_memory ?? 100],
  [17811, config.ways.edit_key === 'edit'],
]);

/** The page's own getter also writes down that the value was read (WAWebABPropsCache), so it counts as a query here. */
const readAbProp = query('getABPropConfigValue');
function abProp(name) {
  readAbProp(name);
  return AB_CACHE.get(AB_PROPS[name][0]) ?? AB_PROPS[name][2];
}

const SESSION = {
  WAWebSocketModel: { Socket },
  WAWebCmd: { Cmd },
  WAWebConnModel: { Conn },
  WAWebOfflineHandler: {
    OfflineMessageHandler: {
      getOfflineDeliveryProgress: socket.offlineProgress,
      hasInitOfflineResumeManager: socket.hasPreview,
    },
  },
  WAWebUserPrefsHistorySync: { getHistorySyncStatus: historyStatus },
  WAWebABProps: { getABPropConfigValue: abProp },
  WAWebABPropsConfigs: { ABPropConfigs: AB_PROPS },
  WAWebMsgType: { MSG_TYPE: { CHAT: 'chat', IMAGE: 'image', STICKER_PACK: 'sticker-pack' } },
  WAWebABPropsCache: {
    isABPropConfigsReady: () => true,
    getAllABPropsMap: () =>
      new Map([...AB_CACHE].map(([configCode, configValue]) => [configCode, { configCode, configValue }])),
  },
  WAWebAltDeviceLinkingApi: altDeviceLinkingApi,
  WAWebLinkDeviceEvents: { WAWebLinkDeviceEvents: linkDeviceEvents },
  WAWebShortcakeLinkingApi: shortcakeLinkingApi,
  WAWebUserPrefsIndexedDBStorage: { userPrefsIdb: userPrefs },
  WAWebStorageCmd: { StorageCmd: storageCmd },
  WABase64: { encodeB64: (data) => btoa(String.fromCharCode(...data)) },
  WAWebCompanionRegClientUtils: { DEVICE_PLATFORM: 1 },
  WAWebAdvSignatureApi: {},
  WAWebUserPrefsInfoStore: {
    waNoiseInfo: { get: async () => ({ staticKeyPair: { pubKey: socket.keyBytes(3) } }) },
  },
  WAWebSignalStoreApi: {
    waSignalStore: { getRegistrationInfo: async () => ({ identityKeyPair: { pubKey: socket.keyBytes(5) } }) },
  },
  WAWebUserPrefsMultiDevice: {
    getADVSecretKey: socket.advSecret,
    isRegistered: () => session.token !== null,
  },
  WAWebUserPrefsMeUser: { getMaybeMePnUser: socket.myPn, getMaybeMeLidUser: socket.myLid },
  WAWebMiscBrowserUtils: { info: () => ({ os: 'Linux', name: 'Chrome' }) },
  WAWebSyncGatingUtils: { isPlaceholderMessageResendEnabled: () => false },
};

const TOOLS = {
  WAWebMsgKey: MsgKey,
  WAWebWidFactory: {
    createWid,
    createWidFromWidLike: createWid,
    asUserWidOrThrow: (wid) => {
      if (!createWid(wid).isUser()) throw new Error(`not a user: ${wid}`);
      return createWid(wid);
    },
  },
  WAWebWidToJid: { widToUserJid: (wid) => wid.toJid(), widToGroupJid: (wid) => wid.toJid() },
  WAWebJidToWid: { userJidToUserWid: createWid, newsletterJidToWid: createWid },
  WALinkify: { findLinks, findLink: (text) => findLinks(text)[0] },
  WAWebGetEphemeralFieldsMsgActionsUtils: { getEphemeralFields: () => ({}) },
  WAWebMsgReply: { canReplyMsg: () => true },
  WAWebMsgActionCapability: {
    canStarMsg: () => true,
    canEditText: () => true,
    canEditCaption: () => true,
    canSenderRevokeMsg: (msg) => msg.id.fromMe,
    canAdminRevokeMsg: () => false,
  },
  WAWebPinMsgConstants: { getPinExpiryDuration: () => 604_800 },
  WAWebLinkPreviewChatAction: { getLinkPreview: query('getLinkPreview') },
  WAWebFrontendVcardUtils: {
    vcardFromContactModel: (contact) => ({ vcard: `BEGIN:VCARD\nFN:${contact.id}` }),
  },
  WAWebVcardParsingUtils: { parseVcard: () => null },
  WAWap: {
    wap: (tag, attributes, content) => ({ tag, attributes, content }),
    generateId: () => `${Date.now()}`,
  },
  WAWebBlockContactUtils: { getContactToBlockOnlyUseIfNoAssociatedChat: async (contact) => contact },
  WAWebPhoneUtils: { formattedPhoneNumber: (phone) => `+${phone}` },
};

const QUERIES = {
  WAWebQueryExistsJob: {
    queryWidExists: query('queryWidExists', ({ contact }, wid) => {
      if (contact) world.learnContact(contact);
      return contact || !wid.isLid() ? { wid: contact ? createWid(contact.phone) : wid } : null;
    }),
  },
  WAWebGroupQueryJob: {
    queryAndUpdateGroupMetadataById: query('queryAndUpdateGroupMetadataById'),
    queryGroupInvite: query('queryGroupInvite'),
    resetGroupInviteCode: query('resetGroupInviteCode'),
  },
  WAWebApiMessageInfoStore: {
    queryMsgInfo: query('queryMsgInfo', () => ({ delivery: [], read: [], played: [] })),
  },
  WAWebFindCommonGroupsContactAction: { findCommonGroups: query('findCommonGroups', () => ({ groups: [] })) },
  WAWebApiDeviceList: { getDeviceIds: query('getDeviceIds', () => []) },
  WAWebBizOrderBridge: { queryOrder: query('queryOrder') },
  WAWebDownloadManager: {
    downloadManager: {
      downloadAndMaybeDecrypt: query(
        'downloadAndMaybeDecrypt',
        () => new TextEncoder().encode('media').buffer,
      ),
    },
  },
};

/** How the page asks for new references: one of the two ways. */
function refreshQrModules() {
  if (config.ways.refresh_qr === 'cmd') {
    Cmd.refreshQR = () => report('refresh_qr').catch(() => {});
    return { WAWebLaunchSocketUtils: { refreshQR: () => Cmd.refreshQR() } };
  }
  const refreshQR = () => Socket.reconnect(); // stops the connection and makes it again
  return {
    WAWebLaunchSocketUtils: { refreshQR },
    WAWebBackendEventBus: { BackendEventBus: { triggerRefreshQR: refreshQR } },
  };
}

const modules = {};

/** Removes a whole module, or one member of it: `WAWebConnModel.Conn.on`. */
function removeModule(name) {
  const [module, ...path] = name.split('.');
  const last = path.pop();
  if (last === undefined) {
    delete modules[module];
    return;
  }
  const holder = path.reduce((object, step) => object[step], modules[module]);
  Object.defineProperty(holder, last, { value: undefined, configurable: true, writable: true });
}

/** What comes in the second wave. Of calls (wa-js#3567) and forwarding (wa-js#3582) it is known; the others are guessed. */
const LATE =
  /^WAWeb(CallCollection|ChatForwardMessage|GroupCreate|Newsletter|Mex|PollsSend|SendEvent|GenerateEventCallLink)/;
export const isLate = (name) => LATE.test(name);

/** Makes window.require, which has no module yet. Returns a function that loads those whose names pass a test. */
export function installModules() {
  const sending = { ...sendingModules(Cmd), WAWebSendMsgChatAction: { addAndSendMsgToChat } };
  Object.assign(modules, WORLD, SESSION, refreshQrModules(), TOOLS, QUERIES);
  for (const [name, functions] of Object.entries(sending))
    modules[name] = Object.assign(modules[name] ?? {}, functions);
  modules.WAWebContactProfilePicThumbBridge.requestProfilePicFromServer = query(
    'requestProfilePicFromServer',
  );
  for (const name of config.missing) removeModule(name);
  const loaded = new Set();
  window.require = (name) => {
    if (!loaded.has(name)) throw new Error(`Requiring unknown module "${name}"`);
    return modules[name];
  };
  return (test) => {
    for (const name of Object.keys(modules)) if (test(name)) loaded.add(name);
  };
}
