// Every function of the page that the library calls to send something or to change the account. Here they do nothing:
// each call is recorded at the server as module, function and a summary of its arguments, and returns what the library's
// code needs to continue.

import { report, reportQuietly, summary } from './report.js';
import { Stream } from './stream.js';

/** Records one call. Resolves when the server has it, so that "nothing was sent" is reliable. */
export async function recordSent(module, name, args) {
  await report('sent', { module, function: name, arguments: summary(args) });
}

const OK = { messageSendResult: 'OK', status: 200 };

/** Module -> the functions that send, found by reading the library: src/Client.js, Injected/Utils.js, structures. */
const SENDING = {
  WADeprecatedSendIq: ['deprecatedCastStanza'],
  WASmaxGroupsAddParticipantsRPC: ['sendAddParticipantsRPC'],
  WASmaxGroupsMembershipRequestsActionRPC: ['sendMembershipRequestsActionRPC'],
  WAWebBlockContactAction: ['blockContact', 'unblockContact'],
  WAWebChangeNewsletterOwnerAction: ['changeNewsletterOwnerAction'],
  WAWebChatClearBridge: ['sendClear'],
  WAWebChatForwardMessage: ['forwardMessages'],
  WAWebChatSendMessages: ['sendGroupInviteMessage'],
  WAWebChatStateBridge: ['sendChatStateComposing', 'sendChatStateRecording', 'sendChatStatePaused'],
  WAWebContactProfilePicThumbBridge: ['sendSetPicture', 'requestDeletePicture'],
  WAWebContactStatusBridge: ['setMyStatus'],
  WAWebDeleteChatAction: ['sendDelete'],
  WAWebDeleteContactAction: ['deleteContactAction'],
  WAWebDemoteNewsletterAdminAction: ['demoteNewsletterAdmin'],
  WAWebEditNewsletterMetadataAction: ['editNewsletterMetadataAction'],
  WAWebExitGroupAction: ['sendExitGroup'],
  WAWebGenerateEventCallLink: ['createEventCallLink'],
  WAWebGroupCreateJob: ['createGroup'],
  WAWebGroupInviteJob: ['joinGroupViaInvite'],
  WAWebGroupInviteV4Job: ['joinGroupViaInviteV4'],
  WAWebGroupModifyInfoJob: ['setGroupDescription', 'setGroupSubject'],
  WAWebMediaMmsV4Upload: ['uploadMedia', 'uploadUnencryptedMedia'],
  WAWebMexAcceptNewsletterAdminInviteJob: ['acceptNewsletterAdminInvite'],
  WAWebMexRevokeNewsletterAdminInviteJob: ['revokeNewsletterAdminInvite'],
  WAWebModifyParticipantsGroupAction: [
    'addParticipants',
    'demoteParticipants',
    'promoteParticipants',
    'removeParticipants',
  ],
  WAWebNewsletterCreateQueryJob: ['createNewsletterQuery'],
  WAWebNewsletterDeleteAction: ['deleteNewsletterAction'],
  WAWebNewsletterDemoteAdminJob: ['demoteNewsletterAdminAction'],
  WAWebNewsletterSendMessageJob: ['sendNewsletterMessageJob'],
  WAWebNewsletterSendMsgAction: ['sendNewsletterAdminInviteMessage'],
  WAWebNewsletterSubscribeAction: ['subscribeToNewsletterAction'],
  WAWebNewsletterUnsubscribeAction: ['unsubscribeFromNewsletterAction'],
  WAWebNewsletterUpdateUserSettingJob: ['updateNewsletterUserSetting'],
  WAWebNoteAction: ['noteAddAction'],
  WAWebPollsSendVoteMsgAction: ['sendVote'],
  WAWebRevokeStatusAction: ['sendStatusRevokeMsgAction'],
  WAWebSaveContactAction: ['saveContactAction'],
  WAWebSendEventEditMsgAction: ['sendEventEditMessage'],
  WAWebSendEventResponseMsgAction: ['sendEventResponseMsg'],
  WAWebSendMessageEditAction: ['sendMessageEdit'],
  WAWebSendPinMessageAction: ['sendPinInChatMsg'],
  WAWebSendReactionMsgAction: ['sendReactionToMsg'],
  WAWebSendStatusMsgAction: ['sendStatusTextMsgAction', 'sendStatusMediaMsgAction'],
  WAWebSetPropertyGroupAction: ['setGroupProperty'],
  WAWebSetPushnameConnAction: ['setPushname'],
  WAWebUpdateUnreadChatAction: ['sendSeen', 'markConversationSeen'],
  WAWebUploadManager: ['encryptAndUpload'],
  WAWebUserPrefsGeneral: [
    'setAutoDownloadAudio',
    'setAutoDownloadDocuments',
    'setAutoDownloadPhotos',
    'setAutoDownloadVideos',
  ],
  WAWebUserPrefsNotifications: ['setGlobalOfflineNotifications'],
};

const CMD = [
  'archiveChat',
  'pinChat',
  'markChatUnread',
  'sendStarMsgs',
  'sendUnstarMsgs',
  'sendDeleteMsgs',
  'sendRevokeMsgs',
  'openChatAt',
  'openChatBottom',
  'openDrawerMid',
  'chatSearch',
  'msgInfoDrawer',
];

/** A function that only records its call, and answers that all went well. */
const sender =
  (module, name) =>
  async (...args) => {
    await recordSent(module, name, args);
    return OK;
  };

/** A function that only records that it would announce whether the account is there. */
const presence = (module, name, available) => () =>
  reportQuietly('presence', { available, module, function: name });

/** All modules with functions that send, by name; those of Cmd are added to it. */
export function sendingModules(Cmd) {
  for (const name of CMD) Cmd[name] = sender('WAWebCmd', `Cmd.${name}`);
  const modules = Object.fromEntries(
    Object.entries(SENDING).map(([module, names]) => [
      module,
      Object.fromEntries(names.map((name) => [name, sender(module, name)])),
    ]),
  );
  // These modules hold getters besides the setters.
  for (const name of Object.keys(modules.WAWebUserPrefsGeneral)) {
    modules.WAWebUserPrefsGeneral[name.replace('set', 'get')] = () => false;
  }
  modules.WAWebUserPrefsNotifications.getGlobalOfflineNotifications = () => false;
  modules.WAWebContactStatusBridge.getStatus = async () => ({ status: '' });
  modules.WAWebNoteAction.retrieveOnlyNoteForChatJid = async () => null;
  return {
    ...modules,
    WAWebStreamModel: {
      Stream: Object.assign(Stream, {
        markAvailable: presence('WAWebStreamModel', 'Stream.markAvailable', true),
        markUnavailable: presence('WAWebStreamModel', 'Stream.markUnavailable', false),
      }),
    },
    WAWebPresenceChatAction: {
      sendPresenceAvailable: presence('WAWebPresenceChatAction', 'sendPresenceAvailable', true),
      sendPresenceUnavailable: presence('WAWebPresenceChatAction', 'sendPresenceUnavailable', false),
    },
    // Requests to our own phone: nobody else sees them, and the library makes the first one unasked.
    WAWebNonMessageDataRequestPlaceholderMessageResendUtils: {
      handlePlaceholderMsgsSeen: (msgs) =>
        reportQuietly('request', { name: 'placeholder_resend', ids: msgs.map((msg) => msg.id.id) }),
    },
    WAWebSendNonMessageDataRequest: {
      sendPeerDataOperationRequest: (type, about) =>
        report('request', { name: 'peer_data_operation', type, arguments: summary([about]) }),
    },
  };
}
