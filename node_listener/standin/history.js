// The older messages that a phone sends to a newly linked device: as the caller lists them, or generated.

import { BadRequest, makeStanza } from './stanza.js';

/** @typedef {import('./stanza.js').Stanza} Stanza */

/**
 * Makes the history of an account.
 * @param {unknown} wanted a list of bodies as `deliver` takes them (`own: true` for our side), or
 *   `{chats, messages, t}`: so many messages over so many chats, the newest at `t`, one a minute
 * @param {{phone: string, lid: string | null}} account
 * @returns {Stanza[]}
 */
export function makeHistory(wanted, account) {
  if (wanted === undefined || wanted === null) return [];
  if (Array.isArray(wanted)) return wanted.map(({ own = false, ...body }) => makeStanza(body, account, own));
  const {
    chats,
    messages,
    t = Math.floor(Date.now() / 1000) - 86_400,
  } = /** @type {Record<string, any>} */ (wanted);
  if (!(chats > 0 && messages > 0))
    throw new BadRequest('cannot make history without `chats` and `messages`');
  return Array.from({ length: messages }, (_, index) => {
    const other = `54911555${String(50_000 + (index % chats)).padStart(5, '0')}`;
    const own = index % 3 === 2;
    const body = {
      body: `vieja ${index + 1}`,
      t: t - (messages - 1 - index) * 60,
      notifyName: `Cliente ${index % chats}`,
    };
    return makeStanza(own ? { ...body, to: other } : { ...body, from: other }, account, own);
  });
}

/** How many chunks follow the first part. */
export const CHUNKS = 4;

/**
 * Splits a history into the part that comes before hasSynced and the chunks after it.
 * @param {Stanza[]} stanzas
 * @returns {{first: Stanza[], chunks: {n: number, stanzas: Stanza[]}[]}} the newest message of each chat, and the others,
 *   the newest chunk first; the last may be empty, as its end is what completes the history. Each by time
 */
export function splitHistory(stanzas) {
  const sorted = stanzas.toSorted((a, b) => b.t - a.t);
  const chats = new Set();
  /** @type {Stanza[]} */
  const first = [];
  /** @type {Stanza[]} */
  const rest = [];
  for (const stanza of sorted) {
    (chats.has(stanza.remote) ? rest : first).push(stanza);
    chats.add(stanza.remote);
  }
  const size = Math.max(1, Math.ceil(rest.length / CHUNKS));
  return {
    first: first.reverse(),
    chunks: Array.from({ length: CHUNKS }, (_, n) => ({
      n,
      stanzas: rest.slice(n * size, (n + 1) * size).reverse(),
    })),
  };
}
