// Reactions and calls, as the page has them -> the fields of their wire lines. Pure.
import { messageId, widText } from './ids.js';
import { mappedContact } from './message-line.js';
import { flag, number, record, text } from './raw.js';

/** @typedef {import('./raw.js').Raw} Raw */

/**
 * The fields of a `reaction` line, from one entry of the page's reaction table. `emoji` is empty for one that was taken back. The
 * sender is built from the parts of `author` or `from`: the library reads their `_serialized`, which builds since July 2026
 * lack, and loses the sender.
 * @param {Raw} raw
 * @returns {{id: import('./ids.js').MessageId, from_me: boolean, sender: string | null, emoji: string, t: number | null,
 *   contact?: {phone: string, lid: string}} | null} null when it does not say to which message. t: seconds
 */
export function reactionFields(raw) {
  const id = messageId(raw.reactionParentKey ?? raw.parentMsgKey);
  if (id === null) return null;
  const ownId = messageId(raw.id ?? raw.msgKey);
  const milliseconds = number(raw.reactionTimestamp);
  const sender = widText(raw.author) ?? widText(raw.from) ?? widText(raw.senderUserJid);
  return {
    id,
    from_me: ownId?.fromMe ?? false,
    sender: sender ?? ownId?.participant ?? null,
    emoji: text(raw.reactionText) ?? '',
    t: milliseconds === null ? number(raw.timestamp) : Math.floor(milliseconds / 1000),
    ...mappedContact(raw),
  };
}

/**
 * The fields of a `call` line, for a call that rings. How it ends is in the `call_log` message that follows: `answered` is false.
 * @param {Raw} raw as page/watch-calls.js reports it
 * @param {number} now seconds, for a call without a time
 * @returns {{call_id: string, chat: string, t: number, outgoing: boolean, answered: boolean, video: boolean,
 *   contact?: {phone: string, lid: string}} | null} null when it has no chat or no id
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
