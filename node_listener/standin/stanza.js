// What travels from the phone server to a linked device: messages and later changes to them. Plain data, made from the
// request bodies of the control interface.

import { randomBytes } from 'node:crypto';

/**
 * A message as the server keeps it. `remote` is the chat, `participant` the sender within a group. Other fields are passed
 * through unchanged, under the names of the page's own records.
 * @typedef {{id: string, fromMe: boolean, remote: string, participant?: string, t: number, type: string, from: string,
 *   to: string, author?: string, reactions?: Reaction[], [field: string]: unknown}} Stanza `reactions`: the last one of each
 *   sender, as the phone knows them; a newly linked device gets them with its history
 */

/**
 * A reaction to a message, as the page's table keeps it; an empty text is its removal.
 * @typedef {{stanza: string, emoji: string, sender: string, fromMe: boolean, t: number, read: boolean, id: string}} Reaction
 */

/** The control interface answers this as 400 with its text. */
export class BadRequest extends Error {}

/** @returns {string} an id in the form a phone gives its messages: 32 hexadecimal digits */
export function newStanzaId() {
  return `AC${randomBytes(15).toString('hex').toUpperCase()}`;
}

/**
 * @param {unknown} value digits, or an id such as `…@c.us`, `…@lid`, `…@g.us`
 * @param {string} field its name, for the error
 * @returns {string}
 */
export function widText(value, field) {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text === 'string' && /^\+?\d+$/.test(text)) return `${text.replace('+', '')}@c.us`;
  if (typeof text === 'string' && /^[\w.:-]+@[\w.]+$/.test(text)) return text;
  throw new BadRequest(
    `cannot use ${JSON.stringify(value)} as ${field}: it must be digits or an id such as N@c.us`,
  );
}

/**
 * @param {unknown} value digits, or an id that ends in @lid
 * @returns {string}
 */
export function lidText(value) {
  return widText(`${value}`.includes('@') ? value : `${value}@lid`, 'lid');
}

/** Fields of `deliver` and `own` that say how to deliver and are not part of the message. */
const DIRECTIONS = new Set([
  'count',
  'spread',
  't_step',
  'wait',
  'lid',
  'unmapped',
  'addressing',
  'chat',
  'fields',
  'recipients',
]);

/**
 * A message as the server keeps it, made of a request. Fields that are not its own and no DIRECTIONS are passed through.
 * @param {Record<string, unknown>} body of the control action
 * @param {{phone: string, lid: string | null}} me the account that receives it
 * @param {boolean} fromMe written by the operator on another device
 * @returns {Stanza}
 */
export function makeStanza(body, me, fromMe) {
  const { from, to, author, id, t, type, ...rest } = body;
  const own = `${me.phone}@c.us`;
  const other = fromMe ? widText(to ?? body.chat, 'to') : widText(from, 'from');
  const group = other.endsWith('@g.us') || other.endsWith('@broadcast');
  let sender;
  if (fromMe) sender = own;
  else if (author !== undefined) sender = widText(author, 'author');
  if (group && !sender) throw new BadRequest(`cannot deliver to ${other} without an author`);
  const isUnderLid = /@(hosted\.)?lid$/.test(other);
  const ownId = isUnderLid && me.lid ? me.lid : own;
  /** @type {Stanza} */
  const stanza = {
    id: typeof id === 'string' ? id : newStanzaId(),
    fromMe,
    remote: other,
    t: typeof t === 'number' ? t : Math.floor(Date.now() / 1000),
    type: typeof type === 'string' ? type : 'chat',
    from: fromMe ? ownId : other,
    to: fromMe ? other : ownId,
  };
  if (group && sender) Object.assign(stanza, { participant: sender, author: sender });
  for (const [name, value] of Object.entries(rest)) {
    if (!DIRECTIONS.has(name)) stanza[name] = value;
  }
  if (typeof body.fields === 'object') Object.assign(stanza, body.fields);
  return stanza;
}

/**
 * What our own message to a broadcast list is on a linked device, besides the message in the list's chat: one in the chat of
 * each recipient, with the same stanza id (WAWebMsgProcessingApiUtils).
 * @param {Stanza} stanza
 * @param {unknown} recipients of the request
 * @returns {Stanza[]}
 */
export function copiesOf(stanza, recipients) {
  if (recipients === undefined) return [];
  if (!Array.isArray(recipients) || !stanza.fromMe || !stanza.remote.endsWith('@broadcast'))
    throw new BadRequest(
      'cannot use recipients: only `own` to a list such as N@broadcast has them, as an array',
    );
  const { participant, author, ...copied } = stanza;
  return recipients
    .map((each) => widText(each, 'recipients'))
    .map((to) => ({ ...copied, remote: to, to, broadcast: true, broadcastId: stanza.remote }));
}

/**
 * The same direct message under the other party's @lid, as when both are in use (WAHA#1816). Our own id changes too.
 * @param {Stanza} stanza
 * @param {string} lid
 * @param {{phone: string, lid: string | null}} me
 * @returns {Stanza}
 */
export function underLid(stanza, lid, me) {
  const own = me.lid ?? `${me.phone}@c.us`;
  const ends = stanza.fromMe ? { from: own, to: lid } : { from: lid, to: own };
  return { ...stanza, remote: lid, ...ends };
}
