// Reactions and calls -> the fields of their wire lines. Pure.
import { messageId, widText } from './ids.js';
import { mappedContact } from './message-line.js';
import { flag, number, record, text } from './raw.js';

/** @typedef {import('./raw.js').Raw} Raw */

/**
 * One entry of the page's reaction table. The sender is built from the parts of `author` or `from`: the library reads their
 * `_serialized`, which `$1` builds lack, and loses the sender.
 * @param {Raw} raw
 * @returns {{id: import('./ids.js').MessageId, from_me: boolean, sender: string | null, emoji: string, t: number | null,
 *   contact?: {phone: string, lid: string}} | null}
 */
export function reactionFields(raw) {
  const id = messageId(raw.reactionParentKey ?? raw.parentMsgKey);
  if (id === null) return null;
  const key = messageId(raw.id ?? raw.msgKey);
  const milliseconds = number(raw.reactionTimestamp);
  return {
    id,
    from_me: key?.fromMe ?? false,
    sender:
      widText(raw.author) ?? widText(raw.from) ?? widText(raw.senderUserJid) ?? key?.participant ?? null,
    emoji: text(raw.reactionText) ?? '',
    t: milliseconds === null ? number(raw.timestamp) : Math.floor(milliseconds / 1000),
    ...mappedContact(raw),
  };
}

/**
 * A live call. Its time is our clock's: the library does not forward `offerTime`, so `call.timestamp` is never set.
 * @param {Raw} raw of the library's call event
 * @param {number} now seconds
 * @returns {{call_id: string, chat: string, t: number, outgoing: boolean, answered: boolean, video: boolean,
 *   contact?: {phone: string, lid: string}} | null}
 */
export function callFields(raw, now) {
  const chat = widText(raw.peerJid ?? raw.from);
  const id = text(raw.id) ?? text(record(raw.id)?.id);
  if (chat === null || id === null) return null;
  return {
    call_id: id,
    chat,
    t: number(raw.offerTime) ?? now,
    outgoing: flag(raw.outgoing ?? raw.fromMe),
    answered: false,
    video: flag(raw.isVideo),
    ...mappedContact(raw),
  };
}
