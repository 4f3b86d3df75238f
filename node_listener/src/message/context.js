// What a message refers to: the message or the status it answers, a call, an order, the ad that led here.
import { textOf } from './content.js';
import { messageId, widText } from './ids.js';
import { flag, number, record, text } from './raw.js';
import { productOf } from './shared.js';

/** @typedef {import('./raw.js').Raw} Raw */

/** A quoted text can be as long as a message. It is only context; the quoted message has a line of its own. */
const QUOTED_LENGTH = 4096;
/** How the id of a quoted message begins when somebody writes about a product from its page (go-whatsapp#467). */
const PRODUCT_INQUIRY = 'product_inquiry:';
/** Outcomes of a call that was answered: words, reduced to letters, or numbers of `CallLogMessage` (see callOf). */
const ANSWERED = new Set(['completed', 'connected', 'acceptedelsewhere', 'ongoing', '0', '4', '5']);

/**
 * The field `quoted`: the message that this one answers, as far as its record holds a copy.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null} null when it answers none
 */
export function quotedOf(raw) {
  const quoted = record(raw.quotedMsg);
  const id = text(raw.quotedStanzaID) ?? messageId(quoted?.id)?.id ?? null;
  if (id === null) return null;
  const body = quoted === null ? null : textOf(quoted);
  const product = quotedProduct(id, quoted ?? {});
  return {
    id,
    participant: widText(raw.quotedParticipant),
    body: body === null ? null : body.slice(0, QUOTED_LENGTH),
    message_type: text(quoted?.type),
    ...(product !== null && { product }),
  };
}

/**
 * The product that is quoted. When a message was written from a product's page, only the id of the quoted message may name it.
 * @param {string} id of the quoted message
 * @param {Raw} quoted its record, empty when there is no copy of it
 */
function quotedProduct(id, quoted) {
  if (!id.startsWith(PRODUCT_INQUIRY)) return productOf(quoted);
  const productId = text(quoted.productId) ?? id.slice(PRODUCT_INQUIRY.length);
  return productOf({ ...quoted, productId });
}

/**
 * The field `status_reply` of a message that answers a status (a story): its author and its id.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null} null for any other
 */
export function statusReplyOf(raw) {
  if (widText(raw.quotedRemoteJid) !== 'status@broadcast') return null;
  return { author: widText(raw.quotedParticipant), id: text(raw.quotedStanzaID) };
}

/**
 * How a call ended, from its line in the chat. Outcomes are words or the numbers of WhatsApp's `CallLogMessage` (WAProto:
 * 0 connected, 4 accepted elsewhere, 5 ongoing). A call with a duration was answered, whatever its outcome says.
 * @param {Raw} raw a `call_log`
 * @returns {{outcome: string | null, answered: boolean, video: boolean, seconds: number | null}}
 */
export function callOf(raw) {
  const seconds = number(raw.callDuration);
  const isNumber = number(raw.callOutcome) !== null;
  const outcome = isNumber ? String(raw.callOutcome) : text(raw.callOutcome);
  const word = (outcome ?? '').toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return {
    outcome,
    answered: (seconds ?? 0) > 0 || ANSWERED.has(word),
    video: flag(raw.isVideoCall),
    seconds,
  };
}

/**
 * The field `order`: what a customer put into the cart of the catalogue and sent.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null} null for a message that is none. total: in thousandths of the currency's unit
 */
export function orderOf(raw) {
  const id = text(raw.orderId);
  if (id === null) return null;
  return {
    order_id: id,
    title: text(raw.orderTitle),
    items: number(raw.itemCount),
    total: number(raw.totalAmount1000),
    currency: text(raw.totalCurrencyCode),
  };
}

/**
 * The field `referral`: the ad of a click-to-WhatsApp conversation, on its first message only. Since February 2026 some ads carry
 * only a payload that cannot be read (Baileys#2354): then every field is null, but the referral is there.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null} null for a message that no ad led to
 */
export function referralOf(raw) {
  const ad = record(raw.ctwaContext);
  const entry = text(raw.entryPointConversionSource);
  const hasPayload = raw.ctwaPayload !== undefined && raw.ctwaPayload !== null;
  const isFromAd = ad !== null || hasPayload || entry?.startsWith('ctwa') === true;
  if (!isFromAd) return null;
  const shown = ad?.automatedGreetingMessageShown;
  return {
    source_url: text(ad?.sourceUrl),
    source_id: text(ad?.sourceId),
    source_app: text(ad?.sourceApp),
    title: text(ad?.title),
    description: text(ad?.description),
    media_type: number(ad?.mediaType) ?? text(ad?.mediaType),
    conversion_source: text(ad?.conversionSource) ?? entry,
    greeting_shown: shown === undefined || shown === null ? null : flag(shown),
  };
}
