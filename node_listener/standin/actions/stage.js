// What every action works on, and helpers that several of them share.

import { BadRequest } from '../stanza.js';

/** @typedef {import('../stanza.js').Stanza} Stanza */
/** @typedef {Record<string, any>} Body the JSON of the request */
/** @typedef {object} Stage
 * @property {import('../phone-server.js').PhoneServer} phone
 * @property {import('../pairing.js').Pairing} pairing
 * @property {import('../page-server.js').PageServer} pages
 * @property {import('../options.js').StandinOptions} options
 * @property {number} pagePort
 * @property {(test: () => boolean, limit: number) => Promise<boolean>} until evaluates the test again after each change;
 *   resolves to its last result */
/** @typedef {(stage: Stage, body: Body) => object | Promise<object>} Action its result is merged into the answer */

/** @param {Stage} stage */
export function accountOf({ phone }) {
  if (!phone.account) throw new BadRequest('cannot do this before a phone was linked: scan first');
  return phone.account;
}

/**
 * @param {Stage} stage
 * @param {unknown} id
 * @param {string} [chat] several chats may have a message with this id
 * @returns {Stanza}
 */
export function knownMessage(stage, id, chat) {
  for (const stanza of accountOf(stage).log.values())
    if (stanza.id === id && (chat === undefined || stanza.remote === chat)) return stanza;
  const where = chat === undefined ? '' : ` in ${chat}`;
  throw new BadRequest(`cannot find a message with the id ${JSON.stringify(id)}${where}`);
}

/**
 * Whether the page loaded last has its stream: an earlier one may stay connected for a moment.
 * @param {Stage} stage
 */
export function isConnected({ phone, pages }) {
  return phone.connection !== null && phone.connection.page === pages.page.id;
}

/** Milliseconds that an action waits for the page by default. */
export const DEFAULT_WAIT = 25_000;

/** @returns {number} seconds, as in messages */
export const now = () => Math.floor(Date.now() / 1000);
