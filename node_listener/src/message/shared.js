// What people share besides text and files: products, payments, invitations, events, polls. Each function gives the wire field of
// its name, and null for a message that has none. The raw names are those of the page's parsers (WAWebParseProductMessageProto,
// WAWebParseSendPaymentMessageProto, WAWebEventsParseEventCreationMessageProto and others, build of 2026-04-27). Amounts are
// in thousandths of the currency's unit.
import { messageId, widText } from './ids.js';
import { flag, list, number, record, text } from './raw.js';

/**
 * @typedef {import('./raw.js').Raw} Raw
 * @typedef {Record<string, unknown>} Fields
 */

/** Longer texts are cut. They only describe, and the raw record has all of them. */
const LONGEST = 4096;
/** Words for the values of PaymentInfo.Status (WAProto), by their number. 0 is unknown. */
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
 * A text of at most LONGEST characters.
 * @param {unknown} value
 * @returns {string | null} null for what is no text, or empty
 */
export function short(value) {
  return text(value)?.slice(0, LONGEST) ?? null;
}

/**
 * A product of a business's catalogue.
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
 * Money that was sent, asked for or offered. `kind` is the page's subtype; the cancellation of a request is a message of its own.
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
 * An invitation to a group, to follow a channel, or to be one of its admins.
 * @param {Raw} raw
 * @returns {Fields | null} expires: seconds
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
  const adminInfo = record(raw.newsletterAdminInviteInfo);
  const info = adminInfo ?? record(raw.newsletterFollowerInviteInfo);
  if (info === null) return null;
  return {
    kind: adminInfo === null ? 'channel' : 'channel_admin',
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
 * An event in the chat's calendar, to which people can say yes or no. `call`: it is a scheduled call.
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
 * A poll, or the results of one, whose options have `votes`. several: more than one option may be chosen; ends: seconds.
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
  const choices = number(raw.pollSelectableOptionsCount); // 0: as many as one likes
  const endsMs = number(raw.pollEndTime);
  return {
    question,
    options: results.length > 0 ? results : list(raw.pollOptions).map((option) => optionOf(record(option))),
    several: choices === null ? null : choices !== 1,
    ends: endsMs === null ? null : Math.floor(endsMs / 1000),
  };
}

/**
 * A vote on a poll, as page/votes.js reports it. selected: the ids of the options, also where their names are not known.
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

/** An option of a poll. @param {Raw | null} option */
function optionOf(option) {
  return { id: number(option?.localId), name: short(option?.name) };
}
