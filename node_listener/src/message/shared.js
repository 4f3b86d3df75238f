// What people share besides text and files: products, payments, invitations, events, polls. Each of these is null for a
// message that has none. The raw names are those of the page's parsers (WAWebParseProductMessageProto,
// WAWebParseSendPaymentMessageProto, WAWebEventsParseEventCreationMessageProto and others, build of 2026-04-27). Amounts are
// in thousandths of the currency's unit.
import { messageId, widText } from './ids.js';
import { flag, list, number, record, text } from './raw.js';

/**
 * @typedef {import('./raw.js').Raw} Raw
 * @typedef {Record<string, unknown>} Fields
 */

/** Texts that only describe: longer ones are cut. The raw record has all of them. */
const LONGEST = 4096;
/** PaymentInfo.Status of WAProto, by number. */
const PAYMENT_STATUS = [
  null,
  'processing',
  'sent',
  'to be accepted',
  'complete',
  'failed',
  'refunded',
  'expired',
  'rejected',
  'cancelled',
  'waiting for the payer',
  'waiting',
];

/**
 * @param {unknown} value
 * @returns {string | null}
 */
export function short(value) {
  return text(value)?.slice(0, LONGEST) ?? null;
}

/**
 * @param {Raw} raw of a message, or of one that is quoted
 * @returns {Fields | null}
 */
export function productOf(raw) {
  if (raw.type !== 'product' && text(raw.productId) === null) return null;
  return {
    product_id: text(raw.productId),
    title: short(raw.title),
    description: short(raw.description),
    price: number(raw.priceAmount1000),
    sale_price: number(raw.salePriceAmount1000),
    currency: text(raw.currencyCode),
    url: short(raw.url),
    business: widText(raw.businessOwnerJid),
  };
}

/**
 * Money that was sent, asked for or offered. `kind` is the page's subtype.
 * @param {Raw} raw
 * @returns {Fields | null}
 */
export function paymentOf(raw) {
  const cancelled = raw.subtype === 'payment_transaction_request_cancelled';
  if (raw.type !== 'payment' && !cancelled) return null;
  return {
    kind: cancelled ? 'request_cancelled' : text(raw.subtype),
    amount: number(raw.paymentAmount1000),
    currency: text(raw.paymentCurrency),
    status: PAYMENT_STATUS[number(raw.paymentStatus) ?? 0] ?? null,
    note: short(record(raw.paymentNoteMsg)?.body),
    expires: number(raw.paymentExpiryTimestamp),
    receiver: widText(raw.paymentMessageReceiverJid),
    request: messageId(raw.paymentRequestMessageKey)?.id ?? null,
  };
}

/**
 * @param {Raw} raw
 * @returns {Fields | null}
 */
export function invitationOf(raw) {
  if (raw.type === 'groups_v4_invite') {
    return {
      kind: 'group',
      name: short(raw.inviteGrpName),
      id: widText(raw.inviteGrp),
      expires: number(raw.inviteCodeExp),
    };
  }
  const admin = record(raw.newsletterAdminInviteInfo);
  const info = admin ?? record(raw.newsletterFollowerInviteInfo);
  if (info === null) return null;
  return {
    kind: admin === null ? 'channel' : 'channel_admin',
    name: short(info.newsletterName),
    id: widText(info.newsletterId),
    expires: number(info.inviteExpiration),
  };
}

/** The words that go with an invitation. @param {Raw} raw */
export function invitationText(raw) {
  const info = record(raw.newsletterAdminInviteInfo) ?? record(raw.newsletterFollowerInviteInfo);
  return text(raw.comment) ?? text(info?.inviteMessage);
}

/**
 * @param {Raw} raw
 * @returns {Fields | null} times in seconds
 */
export function eventOf(raw) {
  const name = short(raw.eventName);
  if (name === null && raw.type !== 'event_creation') return null;
  const place = record(raw.eventLocation);
  return {
    name,
    description: short(raw.eventDescription),
    starts: number(raw.eventStartTime),
    ends: number(raw.eventEndTime),
    place: short(place?.name) ?? short(place?.address),
    address: short(place?.address),
    link: short(raw.eventJoinLink),
    call: flag(raw.eventIsScheduledCall),
    cancelled: flag(raw.isEventCanceled),
  };
}

/**
 * A poll, or the results of one, which have `votes`.
 * @param {Raw} raw
 * @returns {Fields | null}
 */
export function pollOf(raw) {
  const question = short(raw.pollName);
  if (question === null && raw.type !== 'poll_creation') return null;
  const results = list(record(raw.pollVotesSnapshot)?.pollVotes).map((each) => {
    const result = record(each);
    return { ...optionOf(record(result?.option)), votes: number(result?.optionVoteCount) };
  });
  const choices = number(raw.pollSelectableOptionsCount);
  return {
    question,
    options: results.length > 0 ? results : list(raw.pollOptions).map((option) => optionOf(record(option))),
    several: choices === null ? null : choices !== 1,
    ends: number(raw.pollEndTime) === null ? null : Math.floor(Number(raw.pollEndTime) / 1000),
  };
}

/**
 * A vote, as page/votes.js tells it. `selected`: the ids of the options, also where their names are not known.
 * @param {Raw} raw
 * @returns {{poll: string | null, question: string | null, selected: number[], options: string[]} | null}
 */
export function voteOf(raw) {
  const vote = record(raw.leadmasterd_vote);
  if (vote === null) return null;
  return {
    poll: messageId(vote.poll)?.id ?? null,
    question: short(vote.question),
    selected: list(vote.selected)
      .map(number)
      .filter((id) => id !== null),
    options: list(vote.options)
      .map(short)
      .filter((name) => name !== null),
  };
}

/** @param {Raw | null} option */
function optionOf(option) {
  return { id: number(option?.localId), name: short(option?.name) };
}
