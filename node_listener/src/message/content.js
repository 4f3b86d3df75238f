// A message's own content: its text, the description of its media, its contact cards, and what the page could not read.
import { flag, list, number, record, text } from './raw.js';
import { invitationText, voteOf } from './shared.js';

/** @typedef {import('./raw.js').Raw} Raw */

const MEDIA = new Set([
  'image',
  'video',
  'ptt',
  'ptv',
  'audio',
  'document',
  'sticker',
  'sticker-pack',
  'album',
]);
/** Types whose `body` is a base64 JPEG, not text. */
const PREVIEW_IN_BODY = new Set([...MEDIA, 'location', 'live_location', 'product', 'order']);
/** Types whose `body` is a contact card, which has its own field. */
const CARD_IN_BODY = new Set(['vcard', 'multi_vcard']);

/**
 * Whether the record's `body` is a preview (a JPEG in base64), and no text.
 * @param {Raw} raw
 * @returns {boolean}
 */
export function isMediaRecord(raw) {
  return (
    PREVIEW_IN_BODY.has(String(raw.type)) || text(raw.directPath) !== null || text(raw.mimetype) !== null
  );
}

/**
 * What a message says in words: its text, the caption of media, the question of a poll, the name of an event, the note of a
 * payment, the words with an invitation.
 * @param {Raw} raw
 * @returns {string | null} null when it has none, and for a message that was revoked or could not be decrypted
 */
export function textOf(raw) {
  if (raw.type === 'revoked' || raw.type === 'ciphertext') return null;
  const questionOrEvent = text(raw.pollName) ?? text(raw.eventName);
  if (questionOrEvent !== null) return questionOrEvent;
  if (isMediaRecord(raw)) return text(raw.caption) ?? text(raw.comment) ?? text(raw.message);
  if (CARD_IN_BODY.has(String(raw.type))) return text(raw.caption);
  return (
    text(raw.body) ??
    text(raw.caption) ??
    text(record(record(raw.interactiveMessage)?.body)?.text) ??
    text(voteOf(raw)?.options.join(', ')) ??
    text(record(raw.list)?.description) ??
    text(record(raw.paymentNoteMsg)?.body) ??
    invitationText(raw)
  );
}

/**
 * The field `unknown` of a message that the page itself could not read: one for the phone only, or of a later version.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null} null for any other
 */
export function unknownOf(raw) {
  const futureType = text(raw.futureproofType);
  if (raw.type !== 'unknown' && futureType === null) return null;
  return { subtype: text(raw.subtype), future_type: futureType };
}

/**
 * The field `media`: what is known of a file without downloading it.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null} null for a message without a file
 */
export function mediaOf(raw) {
  if (!MEDIA.has(String(raw.type)) && text(raw.mimetype) === null) return null;
  return {
    mimetype: text(raw.mimetype),
    filename: text(raw.filename),
    size: number(raw.size),
    seconds: number(raw.duration),
    width: number(raw.width),
    height: number(raw.height),
    pages: number(raw.pageCount),
    filehash: text(raw.filehash),
    view_once: flag(raw.isViewOnce),
  };
}

/**
 * The contact cards that a message shares, as vCard text.
 * @param {Raw} raw
 * @returns {string[]}
 */
export function vcardsOf(raw) {
  const single = raw.type === 'vcard' ? [text(raw.body)] : [];
  const many = list(raw.vcardList).map((card) => text(record(card)?.vcard));
  return [...single, ...many].filter((card) => card !== null);
}
