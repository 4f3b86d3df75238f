// A message's content: its text, the description of its media, its contact cards.
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
 * @param {Raw} raw
 * @returns {boolean} whether `body` holds a preview
 */
export function isMediaRecord(raw) {
  return (
    PREVIEW_IN_BODY.has(String(raw.type)) || text(raw.directPath) !== null || text(raw.mimetype) !== null
  );
}

/**
 * @param {Raw} raw
 * @returns {string | null}
 */
export function textOf(raw) {
  if (raw.type === 'revoked' || raw.type === 'ciphertext') return null;
  const question = text(raw.pollName) ?? text(raw.eventName);
  if (question !== null) return question;
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
 * What the page itself could not read: for the phone only, or of a later version.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null}
 */
export function unknownOf(raw) {
  const future = text(raw.futureproofType);
  if (raw.type !== 'unknown' && future === null) return null;
  return { subtype: text(raw.subtype), future_type: future };
}

/**
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null}
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
 * @param {Raw} raw
 * @returns {string[]}
 */
export function vcardsOf(raw) {
  const single = raw.type === 'vcard' ? [text(raw.body)] : [];
  const many = list(raw.vcardList).map((card) => text(record(card)?.vcard));
  return [...single, ...many].filter((card) => card !== null);
}
