// The page's raw record of a message -> the fields of its wire line (`message`, `ciphertext`, `message_edit`, `message_revoke`).
// Pure: no library, no page, no clock.
// docs/protocol.md says what each field means. The raw names are the page's own (the library calls the record `_data`), and
// every one of them may be missing.
import { isMediaRecord, mediaOf, textOf, unknownOf, vcardsOf } from './content.js';
import { callOf, orderOf, quotedOf, referralOf, statusReplyOf } from './context.js';
import { isLid, messageId, personId, widText } from './ids.js';
import { marksOf, SENT_HOSTED } from './marks.js';
import { menuOf, replyOf } from './menus.js';
import { flag, number, record, text } from './raw.js';
import { eventOf, invitationOf, paymentOf, pollOf, productOf, voteOf } from './shared.js';

/**
 * @typedef {import('./raw.js').Raw} Raw
 * @typedef {'live' | 'sweep'} Via
 * @typedef {{saved_name: string | null, business: boolean, phone: string | null, lid: string | null}} ContactFacts the field
 *   `contact`: the other party, which is the one of a direct chat, or who wrote in a group
 * @typedef {ContactFacts & {push_name: string | null, verified_name: string | null}} AddressBook what the page knows about the
 *   other party
 */

/** The field in which the page's agent puts what the address book knows about the other party (an AddressBook, or null). */
export const CONTACT = 'leadmasterd_contact';

/**
 * @type {[string, (raw: Raw) => object | null][]} fields that few messages have, and how each is read; null for one without it
 */
const RARE_FIELDS = [
  ['product', productOf],
  ['payment', paymentOf],
  ['invitation', invitationOf],
  ['event', eventOf],
  ['poll', pollOf],
  ['poll_vote', voteOf],
  ['menu', menuOf],
  ['status_reply', statusReplyOf],
  ['unknown', unknownOf],
];

/**
 * The fields of `message`.
 * @param {Raw} raw
 * @param {Via} via
 * @returns {Record<string, unknown> | null} null when the record has no identity or no time
 */
export function messageFields(raw, via) {
  const common = commonFields(raw, via);
  if (common === null) return null;
  const { contact, ...identification } = common;
  return {
    ...identification,
    message_type: text(raw.type) ?? 'unknown',
    from: widText(raw.from),
    to: widText(raw.to),
    author: authorOf(raw),
    notify_name: nameOf(raw, common.id),
    body: textOf(raw),
    media: mediaOf(raw),
    location: locationOf(raw),
    contact_cards: vcardsOf(raw),
    quoted: quotedOf(raw),
    order: orderOf(raw),
    reply: replyOf(raw),
    referral: referralOf(raw),
    contact,
    ...marksField(raw),
    ephemeral_seconds: number(raw.ephemeralDuration) || null,
    forwarded: flag(raw.isForwarded) || (number(raw.forwardingScore) ?? 0) > 0,
    ...(raw.type === 'call_log' && { call: callOf(raw) }),
    ...rareFields(raw),
    data: slimData(raw),
  };
}

/**
 * Those of RARE_FIELDS that this message has.
 * @param {Raw} raw
 * @returns {Record<string, unknown>}
 */
function rareFields(raw) {
  /** @type {Record<string, unknown>} */
  const fields = {};
  for (const [name, read] of RARE_FIELDS) {
    const value = read(raw);
    if (value !== null) fields[name] = value;
  }
  return fields;
}

/**
 * The fields of `ciphertext`: a message that the page has not been able to decrypt yet.
 * @param {Raw} raw
 * @param {Via} via
 * @returns {Record<string, unknown> | null} null when the record has no identity or no time
 */
export function ciphertextFields(raw, via) {
  const common = commonFields(raw, via);
  if (common === null) return null;
  const { contact, ...identification } = common;
  return {
    ...identification,
    from: widText(raw.from),
    to: widText(raw.to),
    author: authorOf(raw),
    notify_name: nameOf(raw, common.id),
    contact,
    ...marksField(raw),
    subtype: text(raw.subtype),
  };
}

/**
 * The fields of `message_edit`, with the text as it is now. Whether the record was edited at all is for the caller to decide.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null} null when the record has no identity or no text, or was revoked
 */
export function editFields(raw) {
  const id = identity(raw);
  const body = textOf(raw); // null for a ciphertext and a revoked message
  if (id === null || body === null || body === '') return null;
  const editedMs = number(raw.latestEditSenderTimestampMs);
  return {
    id,
    t: number(raw.t),
    edited_t: editedMs === null ? null : Math.floor(editedMs / 1000),
    body,
    ...mappedContact(raw),
  };
}

/**
 * The fields of `message_revoke`.
 * @param {Raw} raw
 * @param {'everyone' | 'me'} scope for whom the message was deleted
 * @returns {Record<string, unknown> | null} null when the record has no identity
 */
export function revokeFields(raw, scope) {
  const id = identity(raw);
  return id === null ? null : { id, t: number(raw.t), scope, ...mappedContact(raw) };
}

/**
 * Which message a record stands for. One that was revoked may have the key of the revocation, and the original's in
 * `protocolMessageKey` (the library's Message.js).
 * @param {Raw} raw
 * @returns {import('./ids.js').MessageId | null}
 */
export function identity(raw) {
  const original = raw.type === 'revoked' ? messageId(raw.protocolMessageKey) : null;
  return original ?? messageId(raw.id);
}

/**
 * What `message` and `ciphertext` have in common; null when the record has no identity or no time.
 * @param {Raw} raw
 * @param {Via} via
 */
function commonFields(raw, via) {
  const id = identity(raw);
  const t = number(raw.t);
  if (id === null || t === null) return null;
  return { via, id, t, contact: contactOf(raw, id) };
}

/**
 * An object with the field `marks`, or false without any, to be spread into a line.
 * @param {Raw} raw
 */
function marksField(raw) {
  const marks = marksOf(raw, record(raw[CONTACT]));
  return marks !== null && { marks };
}

/** Who wrote a message of a group; null outside groups. @param {Raw} raw */
function authorOf(raw) {
  const id = messageId(raw.id);
  if (id === null || !id.remote.endsWith('@g.us')) return null;
  return widText(raw.author) ?? id.participant;
}

/**
 * The field `contact`: what the page's address book knows. Where it has no phone or LID, the id itself may be one.
 * @param {Raw} raw
 * @param {import('./ids.js').MessageId} id
 * @returns {ContactFacts}
 */
function contactOf(raw, id) {
  const facts = record(raw[CONTACT]);
  const other = id.remote.endsWith('@g.us') ? id.participant : id.remote;
  const isPhone = other !== null && /@(c\.us|hosted)$/.test(other);
  return {
    saved_name: text(facts?.saved_name),
    business: flag(facts?.business),
    phone: widText(facts?.phone) ?? (isPhone ? personId(other) : null),
    lid: widText(facts?.lid) ?? (other !== null && isLid(other) ? personId(other) : null),
  };
}

/**
 * The field `contact` of lines that name a message or a chat: both ids of the other party, so that the daemon knows them as one.
 * @param {Raw} raw
 * @returns {{contact?: {phone: string, lid: string}}} empty where the page does not know both
 */
export function mappedContact(raw) {
  const facts = record(raw[CONTACT]);
  const phone = widText(facts?.phone);
  const lid = widText(facts?.lid);
  return phone === null || lid === null ? {} : { contact: { phone, lid } };
}

/**
 * The sender's push name: the one that they chose themselves. The page does not keep it on disk with the message
 * (WAWebDBMessageSerialization), but with the contact.
 * @param {Raw} raw
 * @param {import('./ids.js').MessageId} id
 * @returns {string | null}
 */
function nameOf(raw, id) {
  return text(raw.notifyName) ?? (id.fromMe ? null : text(record(raw[CONTACT])?.push_name));
}

/** The field `location`; null for a message without one. @param {Raw} raw */
function locationOf(raw) {
  const latitude = number(raw.lat);
  const longitude = number(raw.lng);
  if (latitude === null || longitude === null) return null;
  const [name, ...address] = (text(raw.loc) ?? '').split('\n'); // the first line is the name of the place
  return {
    latitude,
    longitude,
    name: name || null,
    address: address.join('\n') || null,
    url: text(raw.clientUrl),
    ...(flag(raw.isLive) && { live: true }),
  };
}

/** Fields of the raw record that are not kept: previews, which are large, and what the page's agent added. */
const LEFT_OUT = new Set([
  CONTACT,
  'leadmasterd_vote',
  SENT_HOSTED,
  'thumbnail',
  'thumbnailHQ',
  'preview',
  'waveform',
  'scansSidecar',
  'streamingSidecar',
]);

/**
 * The field `data`: the raw record without what is LEFT_OUT, and without a `body` that is a preview. The same for a quoted
 * message in it.
 * @param {Raw} raw
 * @returns {Raw}
 */
export function slimData(raw) {
  /** @type {Raw} */
  const slim = {};
  for (const key of Object.keys(raw)) {
    if (LEFT_OUT.has(key) || (key === 'body' && isMediaRecord(raw))) continue;
    const nested = key === 'quotedMsg' ? record(raw[key]) : null;
    slim[key] = nested === null ? raw[key] : slimData(nested);
  }
  return slim;
}
