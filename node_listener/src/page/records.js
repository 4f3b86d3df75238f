// Runs in the page: a message of its store -> a plain record, with ids as text and what the address book knows.
// Sent as source text together with message/ids.js and message/kinds.js (see install.js), whose functions are in scope
// there.

import { isHosted, isLid, messageId, personId, widText } from '../message/ids.js';

/**
 * A copy that JSON can carry, whatever the value holds: no cycles, functions, models or bytes, and ids as text. An
 * exception here would be swallowed and the message lost.
 * @param {any} value
 * @param {number} [depth]
 * @returns {any} undefined for what is left out
 */
export function plain(value, depth = 0) {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || depth > 10) return undefined;
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1) ?? null);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return undefined;
  if (value instanceof Map || value instanceof Set) return undefined;
  if (value instanceof Date) return value.getTime();
  if (typeof value.server === 'string' && value.user !== undefined) return widText(value);
  if ('remote' in value && 'fromMe' in value) return messageId(value) ?? undefined;
  /** @type {Record<string, unknown>} */
  const copy = {};
  for (const key of Object.keys(value)) {
    try {
      const item = plain(value[key], depth + 1);
      if (item !== undefined) copy[key] = item;
    } catch {
      // a getter that throws costs only its own field
    }
  }
  return copy;
}

/**
 * The first of these that neither throws nor gives nothing.
 * @param {(() => any)[]} attempts
 * @returns {any} null when none does
 */
export function firstOf(...attempts) {
  for (const attempt of attempts) {
    try {
      const value = attempt();
      if (value !== undefined && value !== null) return value;
    } catch {
      // the next one
    }
  }
  return null;
}

/**
 * What the page's own address book knows about the other party. From local maps only: a server query for each message is
 * what gets accounts restricted.
 * @param {unknown} wid
 * @returns {import('../message/message-line.js').AddressBook | null}
 */
export function contactFacts(wid) {
  const chat = widText(wid);
  if (chat === null) return null;
  /** @type {import('./page.js').Page} */
  const page = /** @type {any} */ (globalThis);
  const whole = firstOf(
    () => (typeof wid === 'object' ? wid : null),
    () => page.require('WAWebWidFactory').createWid(chat),
  );
  const { Contact } = page.require('WAWebCollections');
  const underLid = isLid(chat);
  const other = underLid
    ? firstOf(() => page.require('WAWebApiContact').getPhoneNumber(whole))
    : firstOf(
        () => page.require('WAWebApiContact').getCurrentLid(whole),
        () => page.require('WAWebCollections').Chat.get(whole)?.accountLid,
      );
  const otherId = widText(other);
  /** @type {import('./page.js').ContactModel | null} */
  const contact = firstOf(
    () => Contact.get(whole),
    () => Contact.get(chat),
    () => (other ? Contact.get(other) : null),
  );
  const saved =
    contact !== null &&
    Boolean(
      firstOf(
        () => page.require('WAWebFrontendContactGetters').getIsMyContact(contact),
        () => contact.isMyContact,
        () => contact.isAddressBookContact,
      ),
    );
  return {
    saved_name: saved ? (contact.name ?? contact.shortName ?? null) : null,
    business: Boolean(contact?.isBusiness || contact?.isEnterprise),
    push_name: contact?.pushname ?? null,
    verified_name: contact?.verifiedName ?? null,
    phone: underLid ? otherId && personId(otherId) : personId(chat),
    lid: underLid ? personId(chat) : otherId && personId(otherId),
  };
}

/**
 * @param {any} message a model of the page's store
 * @param {any} [serialized] what the library made of it
 * @param {typeof factsBehind} [facts]
 * @returns {Record<string, any>}
 */
export function messageRecord(message, serialized, facts = factsBehind) {
  const raw = plain(serialized ?? firstOf(() => message.serialize()) ?? message) ?? {};
  const id = messageId(message.id);
  // The live key and wids come first: a build may have left any of their forms out of what serialize() gives.
  if (id !== null) raw.id = id;
  for (const name of ['from', 'to', 'author']) {
    const text = widText(message[name]);
    if (text !== null) raw[name] = text;
  }
  // A model that cannot be serialized was copied field by field, which leaves out what it computes.
  for (const name of ['t', 'type', 'body', 'caption', 'notifyName']) {
    const value = plain(
      firstOf(
        () => raw[name],
        () => message[name],
      ),
    );
    if (value !== null && value !== undefined) raw[name] = value;
  }
  raw.leadmasterd_contact = facts(message.id);
  if (isHosted(message.author)) raw.leadmasterd_hosted = true;
  return raw;
}

/**
 * What the page knows about the other party of a message.
 * @param {any} key of the message
 */
export function factsBehind(key) {
  const inGroup = messageId(key)?.remote.endsWith('@g.us');
  return firstOf(() => contactFacts(inGroup ? key.participant : key.remote));
}

/**
 * The same for many messages of one moment, looked up once for each other party.
 * @returns {typeof factsBehind}
 */
export function factsOnce() {
  const found = new Map();
  return (key) => {
    const id = messageId(key);
    const party = id?.remote.endsWith('@g.us') ? id.participant : id?.remote;
    if (!found.has(party)) found.set(party, factsBehind(key));
    return found.get(party);
  };
}

/**
 * @param {any[]} reactions entries of the page's table, or the library's copies of them
 * @returns {Record<string, any>[]}
 */
export function reactionRecords(reactions) {
  return reactions.map((reaction) => ({
    ...plain(reaction),
    leadmasterd_contact: factsBehind(reaction.reactionParentKey ?? reaction.parentMsgKey),
  }));
}
