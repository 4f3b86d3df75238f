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

function hide(object, name, value) {
  Object.defineProperty(object, name, { value, enumerable: false, writable: true });
}

const place = ({ t, rowId }) => ({ t, row: rowId });
function isBefore(a, b) {
  const [one, other] = [placeOnDisk(place(a)), placeOnDisk(place(b))];
  const differs = one.findIndex((value, index) => value !== other[index]);
  return differs >= 0 && one[differs] < other[differs];
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

/** Every mapping between phone and LID that the page has learnt. */
const lidOfPhone = new Map();
const phoneOfLid = new Map();
/** Where the loaded part of each chat begins; what is older is only in the store. */
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
  const keys = ['protocolMessageKey', 'latestEditMsgKey'].filter((name) => data[name]);
  return {
    ack: fromMe ? 1 : 0,
    star: false,
    invis: false,
    viewed: false,
    ...rest,
    ...(author && { author: createWid(author) }),
    ...(quotedParticipant && { quotedParticipant: createWid(quotedParticipant) }),
    ...Object.fromEntries(keys.map((name) => [name, new MsgKey(data[name])])),
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
    soon(() => {
      if (Msg.get(msg.id) !== msg) return; // deleted since
      join(chat, msg);
      countUnread(chat, msg);
    });
  } else {
    join(chat, msg);
    Msg.add(msg);
    countUnread(chat, msg);
  }
  return msg;
}

/** Puts a message of memory into its chat. */
function join(chat, msg) {
  if (!beginnings.has(chat.id.toString())) beginnings.set(chat.id.toString(), place(msg));
  chat.msgs.add(msg);
  if (!chat.lastReceivedKey || !(msg.t < chat.t)) chat.assign({ t: msg.t, lastReceivedKey: msg.id });
}

function countUnread(chat, msg) {
  if (msg.isNewMsg && !msg.id.fromMe) chat.set('unreadCount', chat.unreadCount + 1);
}

/** Keys of what is stored and about to be added as new. Until then nobody brings it into memory as old. */
export const arriving = new Set();

let waiting = [];
let tick = Promise.resolve();

/** Does this in a later task, all that waits in one. */
function soon(work) {
  waiting.push(work);
  if (waiting.length > 1) return;
  tick = new Promise((resolve) => {
    setTimeout(() => {
      const now = waiting;
      waiting = [];
      for (const each of now) logged(each);
      resolve();
    });
  });
}

/** Resolves when the chats know all that was added to memory. */
export const chatsFollowed = () => tick;

/** The page logs what a listener threw, and goes on with the next message (WAWebUpdateMessageUIAction). */
export function logged(work) {
  if (config.ways.listeners !== 'throw') return work();
  try {
    return work();
  } catch (error) {
    console.warn('the page logs and goes on:', error);
  }
}

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

let offlineEnded = () => {};
const offlineDelivery = new Promise((resolve) => {
  offlineEnded = resolve;
});
/** What had waited at the server has been handled (`offline_delivery_end_from_bridge`). */
export const endOfflineDelivery = () => offlineEnded();

/**
 * Fills memory from the store: all chats, and of each the newest message. With a limit only so many chats get theirs at
 * once; the others wait for the end of the offline delivery (WAWebRestoreChatsAndMessages).
 * @param limit number of chats, null for all
 */
export async function loadWorld(limit = null) {
  for (const card of await loadAll('contacts')) learnContact(card);
  const rows = (await loadAll('chats')).sort((a, b) => b.newest.t - a.newest.t);
  const size = limit ?? rows.length;
  const step = Math.max(size, 1);
  for (const [index, row] of rows.entries()) {
    const pendingInitialLoading = index >= size;
    ensureChat(createWid(row.id), { t: row.newest.t, unreadCount: row.unread, pendingInitialLoading });
  }
  await loadChats(rows.slice(0, size), limit !== null);
  offlineDelivery.then(async () => {
    for (let start = size; start < rows.length; start += step)
      await loadChats(rows.slice(start, start + step), true);
  });
}

/** @param unread an active chat with unread messages gets these as well */
async function loadChats(rows, unread) {
  const byArrival = config.ways.disk_order === 'arrival';
  const records = await loadMessages(rows.map((row) => (byArrival ? row.last : row.newest).key));
  const newest = new Map(records.map((each) => [each.chat, each]));
  for (const row of rows) {
    const chat = Chat.get(row.id);
    const isActive = unread && row.unread > 0 && row.newest.t > Date.now() / 1000 - ACTIVE;
    const few = isActive && row.unread < MANY_UNREAD;
    const more = isActive ? await loadBefore(row.id, null, row.unread + BESIDES_UNREAD) : [];
    const last = newest.get(row.id);
    restore(chat, few ? more.reverse() : [last]);
    // Many unread ones are a chunk of their own: in memory, and not in chat.msgs.
    for (const record of few ? [] : more.reverse())
      if (!Msg.get(record.key) && !arriving.has(record.key)) Msg.add(buildMsg(record, false));
    chat.set('pendingInitialLoading', false);
  }
}

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

/** For a chat that has no messages any more, because the last one was deleted. */
export function forgetBeginnings(chat) {
  beginnings.delete(chat);
}
