// The page's raw record of a message -> the fields of a wire line. Pure: no library, no page, no clock.
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
 * @typedef {{saved_name: string | null, business: boolean, phone: string | null, lid: string | null}} ContactFacts
 * @typedef {ContactFacts & {push_name: string | null, verified_name: string | null}} AddressBook what the page knows about
 *   the sender of an inbound message
 */

/** The field in which the page's agent puts what the address book knows. */
export const CONTACT = 'leadmasterd_contact';

/** @type {[string, (raw: Raw) => object | null][]} */
const RARE = [
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
 * @param {Raw} raw
 * @param {Via} via
 * @returns {Record<string, unknown> | null} null when the record has no identity
 */
export function messageFields(raw, via) {
  const common = commonFields(raw, via);
  if (common === null) return null;
  const { contact, ...who } = common;
  return {
    ...who,
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
    ...marked(raw),
    ephemeral_seconds: number(raw.ephemeralDuration) || null,
    forwarded: flag(raw.isForwarded) || (number(raw.forwardingScore) ?? 0) > 0,
    ...(raw.type === 'call_log' && { call: callOf(raw) }),
    ...sharedFields(raw),
    data: slimData(raw),
  };
}

/**
 * Fields that few messages have: those that are there.
 * @param {Raw} raw
 * @returns {Record<string, unknown>}
 */
function sharedFields(raw) {
  /** @type {Record<string, unknown>} */
  const fields = {};
  for (const [name, read] of RARE) {
    const value = read(raw);
    if (value !== null) fields[name] = value;
  }
  return fields;
}

/**
 * @param {Raw} raw
 * @param {Via} via
 * @returns {Record<string, unknown> | null}
 */
export function ciphertextFields(raw, via) {
  const common = commonFields(raw, via);
  if (common === null) return null;
  const { contact, ...who } = common;
  return {
    ...who,
    from: widText(raw.from),
    to: widText(raw.to),
    author: authorOf(raw),
    notify_name: nameOf(raw, common.id),
    contact,
    ...marked(raw),
    subtype: text(raw.subtype),
  };
}

/**
 * The fields of `message_edit`, or null when the record holds no edited text: `body` changes too when a media preview
 * loads and when a placeholder gets its text.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null}
 */
export function editFields(raw) {
  const id = identity(raw);
  const body = textOf(raw);
  if (id === null || body === null || body === '' || raw.type === 'ciphertext' || raw.type === 'revoked')
    return null;
  const edited = number(raw.latestEditSenderTimestampMs);
  return {
    id,
    t: number(raw.t),
    edited_t: edited === null ? null : Math.floor(edited / 1000),
    body,
    ...mappedContact(raw),
  };
}

/**
 * @param {Raw} raw
 * @param {'everyone' | 'me'} scope
 * @returns {Record<string, unknown> | null}
 */
export function revokeFields(raw, scope) {
  const id = identity(raw);
  return id === null ? null : { id, t: number(raw.t), scope, ...mappedContact(raw) };
}

/**
 * Which message a record stands for. A revoked one may carry the key of the revocation, with the original's in
 * `protocolMessageKey` (the library's Message.js).
 * @param {Raw} raw
 */
export function identity(raw) {
  const original = raw.type === 'revoked' ? messageId(raw.protocolMessageKey) : null;
  return original ?? messageId(raw.id);
}

/**
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
 * The field `marks`, when there are any.
 * @param {Raw} raw
 */
function marked(raw) {
  const marks = marksOf(raw, record(raw[CONTACT]));
  return marks !== null && { marks };
}

/** @param {Raw} raw */
function authorOf(raw) {
  const id = messageId(raw.id);
  if (id === null || !id.remote.endsWith('@g.us')) return null;
  return widText(raw.author) ?? id.participant;
}

/**
 * What the page's address book says, or else what the id alone shows.
 * @param {Raw} raw
 * @param {import('./ids.js').MessageId} id
 * @returns {ContactFacts}
 */
function contactOf(raw, id) {
  const facts = record(raw[CONTACT]);
  const other = id.remote.endsWith('@g.us') ? id.participant : id.remote;
  return {
    saved_name: text(facts?.saved_name),
    business: flag(facts?.business),
    phone:
      widText(facts?.phone) ?? (other !== null && /@(c\.us|hosted)$/.test(other) ? personId(other) : null),
    lid: widText(facts?.lid) ?? (other !== null && isLid(other) ? personId(other) : null),
  };
}

/**
 * The field `contact` of what names a message or a chat by one id, where the page knows both of the other party's.
 * @param {Raw} raw
 * @returns {{contact?: {phone: string, lid: string}}}
 */
export function mappedContact(raw) {
  const facts = record(raw[CONTACT]);
  const [phone, lid] = [widText(facts?.phone), widText(facts?.lid)];
  return phone === null || lid === null ? {} : { contact: { phone, lid } };
}

/**
 * The sender's push name. The page does not keep it on disk with the message (WAWebDBMessageSerialization), but with the
 * contact.
 * @param {Raw} raw
 * @param {import('./ids.js').MessageId} id
 * @returns {string | null}
 */
function nameOf(raw, id) {
  return text(raw.notifyName) ?? (id.fromMe ? null : text(record(raw[CONTACT])?.push_name));
}

/** @param {Raw} raw */
function locationOf(raw) {
  const latitude = number(raw.lat);
  const longitude = number(raw.lng);
  if (latitude === null || longitude === null) return null;
  const [name, ...address] = (text(raw.loc) ?? '').split('\n');
  return {
    latitude,
    longitude,
    name: name || null,
    address: address.join('\n') || null,
    url: text(raw.clientUrl),
    ...(flag(raw.isLive) && { live: true }),
  };
}

const PREVIEWS = new Set([
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
 * The record without previews. In media and locations `body` is a JPEG.
 * @param {Raw} raw
 * @returns {Raw}
 */
export function slimData(raw) {
  /** @type {Raw} */
  const slim = {};
  for (const key of Object.keys(raw)) {
    if (PREVIEWS.has(key) || (key === 'body' && isMediaRecord(raw))) continue;
    const nested = key === 'quotedMsg' ? record(raw[key]) : null;
    slim[key] = nested === null ? raw[key] : slimData(nested);
  }
  return slim;
}
