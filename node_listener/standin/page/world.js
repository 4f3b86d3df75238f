// The in-memory collections, and how stored records become models in them.
//
// After a load only each chat's newest message is here, or not even that (chats_in_memory); reading.js brings older ones.
// Those are never emitted: `add` fires, but isNewMsg is false.

import { config } from './config.js';
import { createWid, keyText, MsgKey, maybeWid } from './ids.js';
import { Collection, idText, Model } from './models.js';
import { reportQuietly } from './report.js';
import { recordSent } from './sending.js';
import { loadAll, loadBefore, loadMessage, loadMessages, placeOnDisk, userPrefs } from './storage.js';

const NOTICES = new Set(['e2e_notification', 'notification_template', 'gp2', 'protocol', 'call_log']);

class MsgModel extends Model {
  get isNotification() {
    return NOTICES.has(this.type);
  }
  get isEphemeral() {
    return Boolean(this.ephemeralDuration);
  }
  get isStatusV3() {
    return this.id.remote.isStatus();
  }
  get mediaObject() {
    return this.directPath ? { type: this.type, filehash: this.filehash } : undefined;
  }
  unsafe() {
    return this;
  }
  canReply() {
    return true;
  }
  msgContextInfo() {
    return {
      quotedMsg: this.serialize(),
      quotedStanzaID: this.id.id,
      quotedParticipant: this.author ?? this.from,
    };
  }
  updateAck(ack) {
    this.set('ack', ack);
  }
}

/** Values of ConversationEndOfHistoryTransferModelPropType. */
const COMPLETE = 0;
export const INCOMPLETE = 2;

class ChatModel extends Model {
  msgs;
  mute;
  constructor(attributes) {
    super(attributes);
    const msgs = new Collection(MsgModel, isBefore);
    msgs.msgLoadState = { contextLoaded: true, isLoadingEarlierMsgs: false, noEarlierMsgs: false };
    hide(this, 'msgs', msgs);
    const mute = new Model({ expiration: 0 });
    mute.mute = async (...args) => recordSent('Chat', 'mute.mute', [this.id, ...args]);
    mute.unmute = async (...args) => recordSent('Chat', 'mute.unmute', [this.id, ...args]);
    hide(this, 'mute', mute);
  }
  get formattedTitle() {
    const contact = Contact.get(this.id);
    return contact?.name ?? contact?.pushname ?? this.id.user;
  }
  get contact() {
    return Contact.get(this.id);
  }
  /** Until the recent history of a new link is there, no chat's is complete (WAWebChatConstants). */
  get endOfHistoryTransferType() {
    const status = userPrefs.get('HistorySyncStatus');
    return status && !status.recentCompleted ? INCOMPLETE : COMPLETE;
  }
  /** The real one lists all messages; the newest is enough to show whether there are any. */
  serialize() {
    return { ...super.serialize(), msgs: this.msgs.length ? [this.msgs.last().serialize()] : [] };
  }
}

/** Sets a property that is not enumerable, so that serialize() leaves it out. */
function hide(object, name, value) {
  Object.defineProperty(object, name, { value, enumerable: false, writable: true });
}

const place = ({ t, rowId }) => ({ t, row: rowId });

/** Whether message a comes before b in the order on disk, which compares one or two numbers in turn. */
function isBefore(a, b) {
  const placeOfA = placeOnDisk(place(a));
  const placeOfB = placeOnDisk(place(b));
  const firstDifference = placeOfA.findIndex((value, index) => value !== placeOfB[index]);
  return firstDifference >= 0 && placeOfA[firstDifference] < placeOfB[firstDifference];
}

export const Msg = new Collection(MsgModel);
export const Chat = new Collection(ChatModel);
export const Contact = new Collection();
export const Blocklist = new Collection();
export const BusinessProfile = new Collection();
export const GroupMetadata = new Collection();
export const ProfilePicThumb = new Collection();
export const Label = new Collection();
Label.addOrRemoveLabels = async (...args) => recordSent('WAWebCollections', 'Label.addOrRemoveLabels', args);
export const Status = new Collection();
export const Newsletter = new Collection();
export const NewsletterMetadata = new Collection();

/** Every mapping between phone and LID that the page knows. */
const lidOfPhone = new Map();
const phoneOfLid = new Map();
/** Chat -> place ({t, row}) of its oldest message in memory; what is older is only in the store. */
export const beginnings = new Map();

Msg.getMessagesById = async (ids) => {
  const messages = await Promise.all(
    ids.map(async (id) => {
      const key = typeof id === 'object' ? keyText(id) : id;
      const loaded = Msg.get(key);
      if (loaded) return loaded;
      const record = await loadMessage(key);
      return record && buildMsg(record, false);
    }),
  );
  return { messages: messages.filter(Boolean) };
};
Msg.search = async (query, page = 1, count = 50, remote = undefined) => {
  const found = Msg.filter(
    (msg) => `${msg.body ?? ''}`.includes(query) && (!remote || msg.id.remote.toString() === idText(remote)),
  );
  return { messages: found.slice((page - 1) * count, page * count) };
};

Chat.find = async (id) => Chat.get(id) ?? ensureChat(createWid(id));
Contact.find = async (id) => Contact.get(id) ?? Contact.add({ id: createWid(id), type: 'in' });
Contact.gadd = (id) => Contact.get(id) ?? Contact.add({ id: createWid(id), type: 'in' });
BusinessProfile.find = async (id) => new Model({ id: createWid(id), profileOptions: {} });
ProfilePicThumb.find = async (id) => ({ id: createWid(id), canSet: () => true, canDelete: () => true });
ProfilePicThumb.get = (id) => ({ id: createWid(id), canSet: () => true, canDelete: () => true });
// The library calls this for a group at every change of unreadCount, so each message in a group is a server query.
GroupMetadata.update = async (id) =>
  reportQuietly('query', { name: 'groupMetadata.update', arguments: [`${id}`] });

/** A stored record as the page's own data: ids are objects, and nothing says that it is new. */
export function messageData({ data, history, row, received }) {
  const { id, fromMe, remote, participant, from, to, author, quotedParticipant, ...rest } = data;
  const keyFields = ['protocolMessageKey', 'latestEditMsgKey'].filter((name) => data[name]);
  return {
    ack: fromMe ? 1 : 0,
    star: false,
    invis: false,
    viewed: false,
    ...rest,
    ...(author && { author: createWid(author) }),
    ...(quotedParticipant && { quotedParticipant: createWid(quotedParticipant) }),
    ...Object.fromEntries(keyFields.map((name) => [name, new MsgKey(data[name])])),
    id: new MsgKey({ id, fromMe, remote, participant }),
    from: createWid(from),
    to: createWid(to),
    self: fromMe ? 'out' : 'in',
    isMdHistoryMsg: history,
    rowId: row,
    clientReceivedTsMillis: received,
  };
}

/** A stored record as a model. Only what has just arrived is a new message. */
export const buildMsg = (record, isNewMsg) =>
  new MsgModel({ ...messageData(record), recvFresh: isNewMsg, isNewMsg });

/** The chat with this id; a new one with these attributes if there is none. */
export function ensureChat(wid, attributes = {}) {
  const known = Chat.get(wid);
  if (known) return known;
  const chat = Chat.add({
    id: wid,
    t: 0,
    unreadCount: 0,
    archive: false,
    pin: 0,
    isReadOnly: false,
    muteExpiration: 0,
    ...(currentLid(wid) && { accountLid: currentLid(wid) }),
    ...attributes,
  });
  if (wid.isGroup()) {
    hide(chat, 'groupMetadata', new Model({ id: wid, participants: [], announce: false }));
    GroupMetadata.add(chat.groupMetadata);
  }
  return chat;
}

/** Adds a message to memory and updates its chat. Returns the model, or the existing one. */
export function addMsg(record, isNewMsg) {
  const known = Msg.get(record.key);
  if (known) return known;
  const msg = buildMsg(record, isNewMsg);
  const chat = ensureChat(msg.id.remote);
  if (config.ways.add_order === 'msg_first') {
    Msg.add(msg); // an exception of a listener ends it here: the message is in no chat (WAWebProcessMultipleMsgsAction)
    inLaterTask(() => {
      if (Msg.get(msg.id) !== msg) return; // deleted since
      addToChat(chat, msg);
      countUnread(chat, msg);
    });
  } else {
    addToChat(chat, msg);
    Msg.add(msg);
    countUnread(chat, msg);
  }
  return msg;
}

/** Puts a message of memory into its chat, which takes over its time if it is not older. */
function addToChat(chat, msg) {
  if (!beginnings.has(chat.id.toString())) beginnings.set(chat.id.toString(), place(msg));
  chat.msgs.add(msg);
  if (!chat.lastReceivedKey || !(msg.t < chat.t)) chat.assign({ t: msg.t, lastReceivedKey: msg.id });
}

function countUnread(chat, msg) {
  if (msg.isNewMsg && !msg.id.fromMe) chat.set('unreadCount', chat.unreadCount + 1);
}

/** Keys of messages that are stored and about to be added as new. Until then reading the store must not add them as old ones. */
export const arriving = new Set();

let worksWaiting = [];
let laterTask = Promise.resolve();

/** Does this in a later task, together with all else that waits for it. */
function inLaterTask(work) {
  worksWaiting.push(work);
  if (worksWaiting.length > 1) return;
  laterTask = new Promise((resolve) => {
    setTimeout(() => {
      const works = worksWaiting;
      worksWaiting = [];
      for (const each of works) logged(each);
      resolve();
    });
  });
}

/** Resolves when every message that was added to memory is in its chat. */
export const chatsFollowed = () => laterTask;

/**
 * Does this; what a listener throws is logged, and the page goes on (WAWebUpdateMessageUIAction). In the old way nothing is
 * thrown.
 */
export function logged(work) {
  if (config.ways.listeners !== 'throw') return work();
  try {
    return work();
  } catch (error) {
    console.warn('the page logs and goes on:', error);
  }
}

/** Adds a contact to memory, under the phone and the LID. A field that the card lacks stays as it is; null removes it. */
export function learnContact(card) {
  const phone = `${card.phone.replace(/@.*/, '')}@c.us`;
  const ids = [phone];
  if (card.lid) {
    lidOfPhone.set(phone, card.lid);
    phoneOfLid.set(card.lid, phone);
    ids.push(card.lid);
  }
  for (const id of ids) {
    const contact = Contact.gadd(id);
    contact.set({
      ...(card.name !== undefined && { pushname: card.name ?? undefined }),
      ...(card.saved !== undefined && { name: card.saved ?? undefined, shortName: card.saved ?? undefined }),
      ...(card.saved !== undefined && { isAddressBookContact: card.saved ? 1 : 0 }),
      ...(card.business !== undefined && { isBusiness: card.business }),
      ...(card.verified_name !== undefined && { verifiedName: card.verified_name ?? undefined }),
      ...(id.endsWith('@lid') && { phoneNumber: createWid(phone) }),
    });
  }
}

export const currentLid = (wid) => maybeWid(lidOfPhone.get(wid.toString()));
export const phoneNumber = (lid) => maybeWid(phoneOfLid.get(lid.toString()));

const ACTIVE = 86_400; // seconds
const MANY_UNREAD = 20;
const BESIDES_UNREAD = 5;

let resolveOfflineDelivery = () => {};
const offlineDelivery = new Promise((resolve) => {
  resolveOfflineDelivery = resolve;
});
/** To be called when what had waited at the server has been handled (`offline_delivery_end_from_bridge`). */
export const endOfflineDelivery = () => resolveOfflineDelivery();

/**
 * Fills memory from the store: all chats, and of each the newest message. With a limit only so many chats get theirs at
 * once; the others wait for the end of the offline delivery (WAWebRestoreChatsAndMessages).
 * @param limit number of chats, null for all
 */
export async function loadWorld(limit = null) {
  for (const card of await loadAll('contacts')) learnContact(card);
  const rows = (await loadAll('chats')).sort((a, b) => b.newest.t - a.newest.t);
  const size = limit ?? rows.length;
  const batchSize = Math.max(size, 1);
  for (const [index, row] of rows.entries()) {
    const pendingInitialLoading = index >= size;
    ensureChat(createWid(row.id), { t: row.newest.t, unreadCount: row.unread, pendingInitialLoading });
  }
  await loadChats(rows.slice(0, size), limit !== null);
  offlineDelivery.then(async () => {
    for (let start = size; start < rows.length; start += batchSize) {
      await loadChats(rows.slice(start, start + batchSize), true);
    }
  });
}

/**
 * Brings the last message of each chat into memory, and marks the chat as loaded.
 * @param withUnread an active chat with unread messages gets these as well, and some before them
 */
async function loadChats(rows, withUnread) {
  const byArrival = config.ways.disk_order === 'arrival';
  const records = await loadMessages(rows.map((row) => (byArrival ? row.last : row.newest).key));
  const newest = new Map(records.map((each) => [each.chat, each]));
  for (const row of rows) {
    const chat = Chat.get(row.id);
    const isRecent = row.newest.t > Date.now() / 1000 - ACTIVE;
    const takesUnread = withUnread && row.unread > 0 && isRecent;
    const unread = takesUnread ? await loadBefore(row.id, null, row.unread + BESIDES_UNREAD) : [];
    unread.reverse();
    if (takesUnread && row.unread < MANY_UNREAD) {
      restore(chat, unread);
    } else {
      restore(chat, [newest.get(row.id)]);
      // Many unread ones are a chunk of their own: in memory, and not in chat.msgs.
      for (const record of unread)
        if (!Msg.get(record.key) && !arriving.has(record.key)) Msg.add(buildMsg(record, false));
    }
    chat.set('pendingInitialLoading', false);
  }
}

/** Brings stored messages into memory and into their chat, as old ones. What is there, or is just arriving, is left out. */
function restore(chat, records) {
  for (const record of records) {
    if (!record || Msg.get(record.key) || arriving.has(record.key)) continue;
    const msg = buildMsg(record, false);
    const id = chat.id.toString();
    const from = beginnings.get(id);
    if (!from || isBefore(msg, { t: from.t, rowId: from.row })) beginnings.set(id, place(msg));
    chat.msgs.add(msg);
    if (chat.msgs.last() === msg) chat.assign({ lastReceivedKey: msg.id });
    logged(() => Msg.add(msg));
  }
}

/** For a chat without messages, the last of which was deleted. */
export function forgetBeginnings(chat) {
  beginnings.delete(chat);
}
