// The notice of a changed phone number -> the fields of its wire line. Pure.
//
// WhatsApp puts it into the person's old chat and the new one. `templateParams` holds the old and the new number, and then
// the old and the new LID if there are any (WAWebHandleContactNotification, build of 2026-04-27). A shorter form names only
// the other number of the chat.
import { messageId, personId, widText } from './ids.js';
import { list, number } from './raw.js';

/** @typedef {import('./raw.js').Raw} Raw */

/**
 * The fields of `number_change`.
 * @param {Raw} raw
 * @param {'live' | 'sweep'} via
 * @returns {Record<string, unknown> | null} null when it does not name two ids of people
 */
export function numberChangeFields(raw, via) {
  const chat = messageId(raw.id)?.remote ?? null;
  const people = list(raw.templateParams).map(person);
  const isShortForm = people.length === 1;
  if (isShortForm) people.unshift(person(chat));
  const [old, current, oldLid = null, lid = null] = people;
  if (!old || !current || old === current) return null;
  return { via, old, new: current, old_lid: oldLid, new_lid: lid, t: number(raw.t) };
}

/**
 * @param {unknown} wid
 * @returns {string | null} the person's id; null for what is not the id of a person
 */
function person(wid) {
  const text = widText(wid);
  const id = text === null ? '' : personId(text);
  return /@(c\.us|lid)$/.test(id) ? id : null;
}
