// What every action acts on, and the few questions that several of them ask.

import { BadRequest } from '../stanza.js';

/** @typedef {import('../stanza.js').Stanza} Stanza */
/** @typedef {Record<string, any>} Body the JSON of the request */
/** @typedef {object} Stage
 * @property {import('../phone-server.js').PhoneServer} phone
 * @property {import('../pairing.js').Pairing} pairing
 * @property {import('../page-server.js').PageServer} pages
 * @property {import('../options.js').StandinOptions} options
 * @property {number} pagePort
 * @property {(test: () => boolean, limit: number) => Promise<boolean>} until looks again after each change; the
 *   answer is what the test said last */
/** @typedef {(stage: Stage, body: Body) => object | Promise<object>} Action what it returns joins the answer */

/** @param {Stage} stage */
export function accountOf({ phone }) {
  if (!phone.account) throw new BadRequest('cannot do this before a phone was linked: scan first');
  return phone.account;
}

/**
 * @param {Stage} stage
 * @param {unknown} id
 * @returns {Stanza}
 */
export function knownMessage(stage, id) {
  for (const stanza of accountOf(stage).log.values()) if (stanza.id === id) return stanza;
  throw new BadRequest(`cannot find a message with the id ${JSON.stringify(id)}`);
}

/**
 * Whether the page that was loaded last has its stream: one that is gone may seem connected for a moment more.
 * @param {Stage} stage
 */
export function isConnected({ phone, pages }) {
  return phone.connection !== null && phone.connection.page === pages.page.id;
}

/** Milliseconds that an action waits for the page, unless it is told otherwise. */
export const PATIENCE = 25_000;

/** @returns {number} seconds, as messages count them */
export const now = () => Math.floor(Date.now() / 1000);
