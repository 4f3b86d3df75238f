// The boundary in the page: the functions of WhatsApp Web that send or change the account, and so throw here.
// page/guard.js wraps them before anything else runs. Found by reading every `require` in the library's source.
//
// unguarded.json lists the other modules that the library uses. They do not send by themselves: they read, convert,
// prepare, link this device, or carry what the guarded ones send. A test fails when the library begins to use a module
// that is in neither list. Four of them look as if they belonged here:
// - `WAWebNonMessageDataRequestPlaceholderMessageResendUtils` asks our own phone to send an unreadable message again, by
//   way of `WAWebSendNonMessageDataRequest`. Both must work, or ciphertexts never heal.
// - `WAWebSocketModel`: the page itself calls `Socket.logout(reason)` when the server has unlinked us, and without it nobody
//   would learn of that. `client.logout()` is refused in Node instead.
// - `WAWebDrawerManager` has taken over `openDrawerMid` from `Cmd` (docs/fidelity.md). It shows a drawer and sends nothing, and
//   the page itself calls it.

/**
 * Module -> paths of the refused functions within its exports; a `*` at the end stands for any rest of the name, so
 * `Cmd.send*` is every function of the member `Cmd` whose name begins with `send`.
 *
 * Never a whole module: WhatsApp Web's own code receives through some of them. `WAWebUpdateUnreadChatAction.markSeen`
 * follows what the phone has read, `WAWebSendMsgChatAction.addVoipCallLogMsgToChat` puts a call into the chat,
 * `WAWebPresenceChatAction.clearPresence` and `presenceOnlineChanged` follow other people's presence (read in the page's
 * own code, builds of 2025 and 2026).
 * @type {Record<string, string[]>}
 */
export const GUARDED = {
  // messages, reactions, votes, edits, revocations, forwards
  WAWebSendMsgChatAction: ['addAndSendMsgToChat', 'resendMsgToChat'],
  WAWebSendTextMsgChatAction: ['send*', 'addAndSend*'],
  WAWebSendAddonMsgChatAction: ['addAndSend*'],
  WAWebChatSendMessages: ['send*'],
  WAWebSendMessageEditAction: ['send*', 'addAndSend*'],
  WAWebSendReactionMsgAction: ['send*'],
  WAWebPollsSendVoteMsgAction: ['send*'],
  WAWebChatForwardMessage: ['forward*'],
  WAWebSendPinMessageAction: ['send*'],
  WAWebSendEventEditMsgAction: ['send*'],
  WAWebSendEventResponseMsgAction: ['send*'],
  WAWebSendStatusMsgAction: ['send*'],
  WAWebRevokeStatusAction: ['send*'],
  WAWebNewsletterSendMsgAction: ['send*'],
  WAWebNewsletterSendMessageJob: ['send*'],
  // read receipts, typing, presence
  WAWebUpdateUnreadChatAction: ['send*', 'markUnread'],
  WAWebChatSeenBridge: ['send*'],
  WAWebChatStateBridge: ['send*'],
  WAWebPresenceChatAction: ['sendPresenceAvailable', 'markComposing', 'markRecording', 'markPaused'],
  WAWebStreamModel: ['Stream.markAvailable'],
  // chats and what the user interface does with them; opening one can send read receipts
  WAWebCmd: [
    'Cmd.archiveChat',
    'Cmd.pinChat',
    'Cmd.muteChat',
    'Cmd.markChatUnread',
    'Cmd.send*',
    'Cmd.openChatAt',
    'Cmd.openChatBottom',
    'Cmd.openChatFromUnread',
    'Cmd.openDrawerMid',
  ],
  WAWebChatClearBridge: ['send*'],
  WAWebDeleteChatAction: ['send*'],
  WAWebCollections: ['Label.addOrRemoveLabels', 'Features.setFeature'],
  WAWebNoteAction: ['note*'],
  WAWebGenerateEventCallLink: ['create*'],
  // people and the profile
  WAWebBlockContactAction: ['blockContact', 'unblockContact'],
  WAWebSaveContactAction: ['save*'],
  WAWebDeleteContactAction: ['delete*'],
  WAWebSetPushnameConnAction: ['setPushname'],
  WAWebContactStatusBridge: ['setMyStatus'],
  WAWebContactProfilePicThumbBridge: ['sendSetPicture', 'requestDeletePicture'],
  // groups
  WAWebGroupCreateJob: ['create*'],
  WAWebGroupInviteJob: ['join*'],
  WAWebGroupInviteV4Job: ['join*'],
  WAWebGroupModifyInfoJob: ['set*'],
  WAWebModifyParticipantsGroupAction: ['add*', 'remove*', 'promote*', 'demote*'],
  WAWebSetPropertyGroupAction: ['set*'],
  WAWebExitGroupAction: ['send*'],
  WASmaxGroupsAddParticipantsRPC: ['send*'],
  WASmaxGroupsMembershipRequestsActionRPC: ['send*'],
  // channels
  WAWebChangeNewsletterOwnerAction: ['change*'],
  WAWebDemoteNewsletterAdminAction: ['demote*'],
  WAWebEditNewsletterMetadataAction: ['edit*'],
  WAWebMexAcceptNewsletterAdminInviteJob: ['accept*'],
  WAWebMexRevokeNewsletterAdminInviteJob: ['revoke*'],
  WAWebNewsletterCreateQueryJob: ['create*'],
  WAWebNewsletterDeleteAction: ['delete*'],
  WAWebNewsletterDemoteAdminJob: ['demote*'],
  WAWebNewsletterSubscribeAction: ['subscribe*'],
  WAWebNewsletterUnsubscribeAction: ['unsubscribe*'],
  WAWebNewsletterUpdateUserSettingJob: ['update*'],
};

/**
 * The page calls these itself to announce its presence, from connection handlers that have more to do. An exception would
 * end those handlers, so these answer with a rejected promise instead.
 */
export const CALLED_BY_THE_PAGE = [
  'WAWebPresenceChatAction.sendPresenceAvailable',
  'WAWebStreamModel.Stream.markAvailable',
];

/**
 * Modules of the page that only our own code uses, each with what it does there (read in the page's build of 2026-04-27, the
 * passkey's in a later one). A test fails when our code names a module that is in none of the lists.
 * @type {Record<string, string>}
 */
export const OURS = {
  WAWebABPropsCache: 'reads the values of switches, by two functions that only read',
  WAWebABPropsConfigs: 'reads a table of constants',
  WAWebMsgType: 'reads a table of constants',
  WAWebBackendEventBus: 'asks for a new QR code, only while no account is linked',
  WAWebDBMessageFindLocal: 'reads messages from the disk',
  WAWebDBMsgUtils: 'reads messages from the disk',
  WAWebLinkDeviceEvents: 'subscribes to events of linking',
  WAWebPollsPollVoteCollection: 'subscribes to changes of votes',
  WAWebShortcakeLinkingApi: 'reads the stage of the passkey step',
  WAWebStorageCmd: 'subscribes to events of a full disk',
  WAWebUserPrefsHistorySync: 'reads how far the history has come',
  WAWebUserPrefsIndexedDBStorage: 'reads whether the page waits for a check',
};

/**
 * Functions of `window.WWebJS`, the library's helpers in the page, that send. The helpers themselves are refused, since some send
 * by low-level functions that the page needs too (to reject a call).
 */
export const SENDERS = [
  'sendMessage',
  'editMessage',
  'forwardMessage',
  'sendSeen',
  'sendClearChat',
  'sendDeleteChat',
  'sendChatstate',
  'rejectCall',
  'setPicture',
  'deletePicture',
  'membershipRequestAction',
  'subscribeToUnsubscribeFromChannel',
  'pinUnpinMsgAction',
  'getAddParticipantsRpcResult',
];
