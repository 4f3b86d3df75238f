// Messages, edits, revocations, reactions and calls, as the library's events or a sweep bring them -> wire lines. What is not
// captured (status, channels, groups unless configured, system messages) is dropped here, as it is in the page.
import { callFields, reactionFields } from './message/addon-line.js';
import { isMediaRecord } from './message/content.js';
import { chatKind, isNumberChange, isWanted, isWantedChat } from './message/kinds.js';
import {
  ciphertextFields,
  editFields,
  identity,
  messageFields,
  revokeFields,
} from './message/message-line.js';
import { numberChangeFields } from './message/number-change.js';
import { number, record } from './message/raw.js';

/** The message type of a heartbeat. */
const HEARTBEAT = 'leadmasterd_heartbeat';
/** How many calls are remembered, so that each is reported once: the page reports a call again at every change. */
const REMEMBERED_CALLS = 200;

/** A disappearing message counts as expired this many seconds before its end: the page's clock may be ahead of ours. */
const EXPIRY_SLACK = 60;

/** @typedef {import('./message/raw.js').Raw} Raw a record as the page has it */

/**
 * Makes wire lines of the page's records. Keeps only which calls were reported, and a count of live changes.
 * @param {import('./wire.js').Wire} wire
 * @param {boolean} groups whether groups are captured
 * @param {() => number} [now] milliseconds
 */
export function createRelay(wire, groups, now = Date.now) {
  /** @type {Set<string>} */
  const reportedCalls = new Set();
  const seconds = () => Math.floor(now() / 1000);
  let liveChanges = 0;

  /**
   * Puts a message on the wire, with the edit or revocation that its record shows. The notice of a changed phone number becomes a
   * `number_change` line; nothing is sent for what is not captured.
   * @param {Raw} raw
   * @param {import('./message/message-line.js').Via} via
   * @returns {boolean} whether a `message` or `ciphertext` line was sent
   */
  function message(raw, via) {
    const id = identity(raw);
    if (isNumberChange(raw) && id !== null && chatKind(id.remote) === 'direct') {
      sendIf('number_change', numberChangeFields(raw, via));
      return false;
    }
    if (!isWanted(id, raw.type, groups)) return false;
    if (raw.type === 'ciphertext') return sendIf('ciphertext', ciphertextFields(raw, via));
    const sent = sendIf('message', messageFields(raw, via));
    change(raw);
    return sent;
  }

  /**
   * Puts on the wire the edit or revocation that a record shows: it may have happened while nobody listened, without an event.
   * @param {Raw} raw
   */
  function change(raw) {
    if (!isWanted(identity(raw), raw.type, groups)) return;
    if (raw.type === 'revoked') sendIf('message_revoke', revokeFields(raw, 'everyone'));
    else if (number(raw.latestEditSenderTimestampMs) !== null) sendIf('message_edit', editFields(raw));
  }

  /**
   * Sends a line, if its fields could be made.
   * @param {string} type
   * @param {Record<string, unknown> | null} fields null: the record lacks what this line needs, and nothing is sent
   * @returns {boolean} whether the line was sent
   */
  function sendIf(type, fields) {
    if (fields === null) return false;
    wire.send(type, fields);
    return true;
  }

  return {
    message,
    change,

    /** How many edits and revocations have come as events: when it grows, what a sweep has read before may be outdated. */
    get changes() {
      return liveChanges;
    },

    /**
     * A message's text has changed, as the library's event says. Not every change is an edit by its author.
     * @param {Raw} raw the message as it is now
     * @param {unknown} newText
     * @param {unknown} oldText
     */
    edit(raw, newText, oldText) {
      liveChanges += 1;
      if (!isWanted(identity(raw), raw.type, groups)) return;
      // in media `body` is a preview that changes while it loads; only the caption is text
      if (isMediaRecord(raw) && newText !== raw.caption) return;
      // a placeholder that is decrypted gets its text and its type in one change (WAWebUpdateMessageUIAction, 2026-04-27)
      if (!oldText && number(raw.latestEditSenderTimestampMs) === null) return;
      const fields = editFields(raw);
      if (fields !== null && fields.body !== oldText) wire.send('message_edit', fields);
    },

    /**
     * A message was deleted, for everyone or only in this account, as the library's event says. The page also removes a
     * disappearing message once its time is over: that is no deletion, and the message stays stored.
     * @param {Raw} raw
     * @param {'everyone' | 'me'} scope
     */
    revoke(raw, scope) {
      liveChanges += 1;
      if (!isWanted(identity(raw), raw.type, groups)) return;
      if (scope === 'me' && hasExpired(raw, seconds())) return;
      sendIf('message_revoke', revokeFields(raw, scope));
    },

    /** @param {unknown[]} reactions entries of the page's table, live or read by a sweep. One without a message is skipped */
    reactions(reactions) {
      for (const each of reactions) {
        const fields = reactionFields(record(each) ?? {});
        if (fields === null || !isWantedChat(fields.id.remote, groups)) continue;
        wire.send('reaction', { ...fields, t: fields.t ?? seconds() });
      }
    },

    /**
     * A call that rings, reported once. One without a chat or an id is skipped.
     * @param {Raw} raw
     * @param {'collection' | 'active_call'} [source] where the page showed it first
     */
    call(raw, source = 'collection') {
      const fields = callFields(raw, seconds());
      if (fields === null || !isWantedChat(fields.chat, groups) || reportedCalls.has(fields.call_id)) return;
      reportedCalls.add(fields.call_id);
      if (reportedCalls.size > REMEMBERED_CALLS) {
        const oldest = /** @type {string} */ (reportedCalls.values().next().value);
        reportedCalls.delete(oldest);
      }
      wire.send('call', { ...fields, source });
    },

    /**
     * @param {Raw} raw
     * @returns {Raw | null} the heartbeat's fields; null: it is a message
     */
    heartbeat(raw) {
      return raw.type === HEARTBEAT ? record(raw.heartbeat) : null;
    },
  };
}

/**
 * Whether this is a disappearing message whose time is over.
 * @param {Raw} raw
 * @param {number} now seconds
 */
function hasExpired(raw, now) {
  const life = number(raw.ephemeralDuration);
  const start = number(raw.ephemeralStartTimestamp) ?? number(raw.t);
  if (life === null || life <= 0 || start === null) return false;
  return start + life <= now + EXPIRY_SLACK;
}
