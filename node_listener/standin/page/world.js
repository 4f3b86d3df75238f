// The in-memory collections, and how stored records become models in them.
//
// After a load only each chat's newest message is here; loadEarlierMsgs brings older ones. Those are never emitted: `add`
// fires, but isNewMsg is false.

import { config } from './config.js';
import { createWid, keyText, MsgKey, maybeWid } from './ids.js';
import { Collection, idText, Model } from './models.js';
import { reportQuietly } from './report.js';
import { recordSent } from './sending.js';
import { loadAll, loadBefore, loadMessage, loadMessages } from './storage.js';

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

class ChatModel extends Model {
  msgs;
  mute;
  constructor(attributes) {
    super(attributes);
    hide(this, 'msgs', new Collection(MsgModel, isBefore));
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
  /** The real one lists all messages; the newest is enough to show whether there are any. */
  serialize() {
    return { ...super.serialize(), msgs: this.msgs.length ? [this.msgs.last().serialize()] : [] };
  }
}

function hide(object, name, value) {
  Object.defineProperty(object, name, { value, enumerable: false, writable: true });
}

const place = (msg) => [msg.t, msg.rowId];
const isBefore = (a, b) => a.t < b.t || (a.t === b.t && a.rowId < b.rowId);

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
const beginnings = new Map();

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

/** A stored record as a model. Only what has just arrived is a new message. */
export function buildMsg(record, isNewMsg) {
  const {
    id,
    fromMe,
    remote,
    participant,
    from,
    to,
    author,
    quotedParticipant,
    protocolMessageKey,
    ...rest
  } = record.data;
  return new MsgModel({
    ack: fromMe ? 1 : 0,
    star: false,
    invis: false,
    recvFresh: isNewMsg,
    viewed: false,
    ...rest,
    ...(author && { author: createWid(author) }),
    ...(quotedParticipant && { quotedParticipant: createWid(quotedParticipant) }),
    ...(protocolMessageKey && { protocolMessageKey: new MsgKey(protocolMessageKey) }),
    id: new MsgKey({ id, fromMe, remote, participant }),
    from: createWid(from),
    to: createWid(to),
    self: fromMe ? 'out' : 'in',
    isNewMsg,
    isMdHistoryMsg: record.history,
    rowId: record.row,
    clientReceivedTsMillis: record.received,
  });
}

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
    endOfHistoryTransferType: 0,
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
  if (!beginnings.has(record.chat)) beginnings.set(record.chat, place(msg));
  chat.msgs.add(msg);
  if (!chat.lastReceivedKey || !(msg.t < chat.t)) chat.assign({ t: msg.t, lastReceivedKey: msg.id });
  Msg.add(msg);
  if (isNewMsg && !msg.id.fromMe) chat.set('unreadCount', chat.unreadCount + 1);
  return msg;
}

/** One page of messages older than those loaded of this chat. [] when there are no more. */
export async function loadEarlierMsgs({ chat }) {
  const id = chat.id.toString();
  const from = beginnings.get(id);
  if (!from) return [];
  const records = (await loadBefore(id, from, config.pageSize)).reverse();
  if (records.length === 0) return [];
  beginnings.set(id, [records[0].t, records[0].row]);
  const fresh = records.filter((record) => !Msg.get(record.key));
  const models = fresh.map((record) => {
    const msg = buildMsg(record, false);
    chat.msgs.add(msg);
    return Msg.add(msg);
  });
  // Every message of this page was known (they came live, out of order): return the next page.
  return models.length ? models : loadEarlierMsgs({ chat });
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

/** Fills memory from the store: all chats, and of each the newest message. */
export async function loadWorld() {
  for (const card of await loadAll('contacts')) learnContact(card);
  const rows = await loadAll('chats');
  const newest = new Map(
    (await loadMessages(rows.map((row) => row.newest.key))).map((each) => [each.chat, each]),
  );
  for (const row of rows) {
    const chat = ensureChat(createWid(row.id), { t: row.newest.t, unreadCount: row.unread });
    const record = newest.get(row.id);
    if (!record || Msg.get(record.key)) continue;
    const msg = buildMsg(record, false);
    beginnings.set(row.id, place(msg));
    chat.msgs.add(msg);
    chat.assign({ lastReceivedKey: msg.id });
    Msg.add(msg);
  }
}

/** For a chat that has no messages any more, because the last one was deleted. */
export function forgetBeginnings(chat) {
  beginnings.delete(chat);
}
