// Runs in the page: a message of its store -> a plain record that can go to Node, with ids as text and what the page's address
// book knows about the other party. What of it goes on the wire is decided in Node (message/message-line.js).
// Sent as source text together with message/ids.js and message/kinds.js (see install.js), whose functions are in scope
// there.

import { isHosted, isLid, messageId, personId, widText } from '../message/ids.js';

/**
 * A copy that JSON can carry, whatever the value holds: without functions, bytes and collections, cut at ten levels, which ends
 * cycles, and with ids as text. Never throws: the exception would be swallowed and the message lost.
 * @param {any} value
 * @param {number} [depth] how many levels lie above
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
 * The value of the first attempt that neither throws nor gives null or undefined.
 * @param {(() => any)[]} attempts
 * @returns {any} null when there is none
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
 * What the page's own address book knows about a person: names, and both of their ids. From local maps only: a server query for
 * each message is what gets accounts restricted.
 * @param {unknown} wid the person's id, a phone or a LID
 * @returns {import('../message/message-line.js').AddressBook | null} null for what is no id
 */
export function contactFacts(wid) {
  const id = widText(wid);
  if (id === null) return null;
  /** @type {import('./page.js').Page} */
  const page = /** @type {any} */ (globalThis);
  const widObject = firstOf(
    () => (typeof wid === 'object' ? wid : null),
    () => page.require('WAWebWidFactory').createWid(id),
  );
  const { Contact } = page.require('WAWebCollections');
  const isKnownByLid = isLid(id);
  const otherWid = isKnownByLid
    ? firstOf(() => page.require('WAWebApiContact').getPhoneNumber(widObject))
    : firstOf(
        () => page.require('WAWebApiContact').getCurrentLid(widObject),
        () => page.require('WAWebCollections').Chat.get(widObject)?.accountLid,
      );
  const otherText = widText(otherWid);
  const otherId = otherText === null ? null : personId(otherText);
  /** @type {import('./page.js').ContactModel | null} */
  const contact = firstOf(
    () => Contact.get(widObject),
    () => Contact.get(id),
    () => (otherWid ? Contact.get(otherWid) : null),
  );
  /** @param {import('./page.js').ContactModel} known */
  const isSaved = (known) =>
    firstOf(
      () => page.require('WAWebFrontendContactGetters').getIsMyContact(known),
      () => known.isMyContact,
      () => known.isAddressBookContact,
    );
  return {
    saved_name: contact !== null && isSaved(contact) ? (contact.name ?? contact.shortName ?? null) : null,
    business: Boolean(contact?.isBusiness || contact?.isEnterprise),
    push_name: contact?.pushname ?? null,
    verified_name: contact?.verifiedName ?? null,
    phone: isKnownByLid ? otherId : personId(id),
    lid: isKnownByLid ? personId(id) : otherId,
  };
}

/**
 * The record of a message: what serializing it gives. Ids are taken from the message itself, and so are main fields that
 * serializing left out; what we add has names that begin with `leadmasterd_`.
 * @param {any} message a model of the page's store, or a record from its disk
 * @param {any} [serialized] what the library made of it; undefined: it could not, or was not asked
 * @param {typeof factsOfParty} [facts] looks the other party up
 * @returns {Record<string, any>}
 */
export function messageRecord(message, serialized, facts = factsOfParty) {
  const raw = plain(serialized ?? firstOf(() => message.serialize()) ?? message) ?? {};
  const id = messageId(message.id);
  // The ids of the message itself come first: what serialize() gives may lack every form of them that we can read.
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
  if (isHosted(message.author)) raw.leadmasterd_hosted = true; // as text, an id no longer names the device
  return raw;
}

/**
 * What the page knows about the other party of a message: of the chat, or in a group of who wrote it.
 * @param {any} key of the message
 * @returns {ReturnType<typeof contactFacts>}
 */
export function factsOfParty(key) {
  const inGroup = messageId(key)?.remote.endsWith('@g.us');
  return firstOf(() => contactFacts(inGroup ? key.participant : key.remote));
}

/**
 * Makes a factsOfParty() for many messages that are read at one moment: it looks each party up once.
 * @returns {typeof factsOfParty}
 */
export function factsOfParties() {
  const found = new Map();
  return (key) => {
    const id = messageId(key);
    const party = id?.remote.endsWith('@g.us') ? id.participant : id?.remote;
    if (!found.has(party)) found.set(party, factsOfParty(key));
    return found.get(party);
  };
}

/**
 * Reactions as plain records, each with what is known about the other party of the message that it belongs to.
 * @param {any[]} reactions entries of the page's table, or the library's copies of them
 * @returns {Record<string, any>[]}
 */
export function reactionRecords(reactions) {
  return reactions.map((reaction) => ({
    ...plain(reaction),
    leadmasterd_contact: factsOfParty(reaction.reactionParentKey ?? reaction.parentMsgKey),
  }));
}
