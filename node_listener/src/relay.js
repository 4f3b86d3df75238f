// The library's events -> wire lines. Unwanted messages (status, channels, groups unless configured, system messages) are
// dropped here as well as in the page.
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
/** Calls remembered, so that each is reported once: the page writes a call into its map at every change. */
const REMEMBERED_CALLS = 200;

/** @typedef {import('./message/raw.js').Raw} Raw */

/**
 * @param {import('./wire.js').Wire} wire
 * @param {boolean} groups
 * @param {() => number} [now] milliseconds
 */
export function createRelay(wire, groups, now = Date.now) {
  /** @type {Set<string>} */
  const calls = new Set();
  const seconds = () => Math.floor(now() / 1000);
  let changes = 0;

  /**
   * @param {Raw} raw
   * @param {import('./message/message-line.js').Via} via
   * @returns {boolean} whether a message was sent
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
   * Puts on the wire what happened to a message before we saw it: an edit or a revocation without an event of its own.
   * @param {Raw} raw
   */
  function change(raw) {
    if (!isWanted(identity(raw), raw.type, groups)) return;
    if (raw.type === 'revoked') sendIf('message_revoke', revokeFields(raw, 'everyone'));
    else if (number(raw.latestEditSenderTimestampMs) !== null) sendIf('message_edit', editFields(raw));
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown> | null} fields
   */
  function sendIf(type, fields) {
    if (fields === null) return false;
    wire.send(type, fields);
    return true;
  }

  return {
    message,
    change,

    /** How many edits and revocations the page has told of as they happened. */
    get changes() {
      return changes;
    },

    /**
     * @param {Raw} raw
     * @param {unknown} newText
     * @param {unknown} oldText
     */
    edit(raw, newText, oldText) {
      changes += 1;
      if (!isWanted(identity(raw), raw.type, groups)) return;
      // in media `body` is a preview that changes while it loads; only the caption is text
      if (isMediaRecord(raw) && newText !== raw.caption) return;
      // a placeholder that is decrypted gets its text and its type in one change (WAWebUpdateMessageUIAction, 2026-04-27)
      if (!oldText && number(raw.latestEditSenderTimestampMs) === null) return;
      const fields = editFields(raw);
      if (fields !== null && fields.body !== oldText) wire.send('message_edit', fields);
    },

    /**
     * @param {Raw} raw
     * @param {'everyone' | 'me'} scope
     */
    revoke(raw, scope) {
      changes += 1;
      const id = identity(raw);
      if (!isWanted(id, raw.type === 'revoked' ? 'chat' : raw.type, groups)) return;
      if (scope === 'me' && expired(raw, seconds())) return; // a disappearing message expired
      sendIf('message_revoke', revokeFields(raw, scope));
    },

    /** @param {unknown[]} reactions */
    reactions(reactions) {
      for (const each of reactions) {
        const fields = reactionFields(record(each) ?? {});
        if (fields === null || !isWantedChat(fields.id.remote, groups)) continue;
        wire.send('reaction', { ...fields, t: fields.t ?? seconds() });
      }
    },

    /**
     * @param {Raw} raw
     * @param {'collection' | 'active_call'} [source] where the page showed it first
     */
    call(raw, source = 'collection') {
      const fields = callFields(raw, seconds());
      if (fields === null || !isWantedChat(fields.chat, groups) || calls.has(fields.call_id)) return;
      calls.add(fields.call_id);
      if (calls.size > REMEMBERED_CALLS) calls.delete(/** @type {string} */ (calls.values().next().value));
      wire.send('call', { ...fields, source });
    },

    /**
     * @param {Raw} raw
     * @returns {Raw | null} the heartbeat's fields, if this is one
     */
    heartbeat(raw) {
      return raw.type === HEARTBEAT ? record(raw.heartbeat) : null;
    },
  };
}

/**
 * @param {Raw} raw
 * @param {number} now seconds
 */
function expired(raw, now) {
  const life = number(raw.ephemeralDuration);
  const start = number(raw.ephemeralStartTimestamp) ?? number(raw.t);
  return life !== null && life > 0 && start !== null && start + life <= now + 60;
}
