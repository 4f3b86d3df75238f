// Our own evaluations in the page, each with a time limit: a crashed or blocked renderer never answers, and puppeteer
// would wait a minute or more. This is the only access to the page that most of our code gets.
import { withTimeout } from './timeout.js';

/** The page did not answer in time. */
export class PageSilent extends Error {}

/**
 * Evaluates in the page: a function with its arguments, or source text. Rejects with PageSilent when there is no answer in time,
 * with puppeteer's error when the page navigates, and with what the function throws.
 * @typedef {<T>(source: string | ((...args: any[]) => T), ...args: any[]) => Promise<Awaited<T>>} PageCall
 */

/**
 * @param {() => import('puppeteer').Page | null | undefined} page the page at the moment of a call; it may not be there yet
 * @param {number} limit milliseconds for each evaluation
 * @returns {PageCall}
 */
export function createPageCall(page, limit) {
  return async (source, ...args) => {
    const target = page();
    if (!target) throw new PageSilent('there is no page yet');
    const answer = target.evaluate(/** @type {any} */ (source), ...args);
    return withTimeout(answer, limit, () => new PageSilent(`the page did not answer within ${limit} ms`));
  };
}

/** Words of the errors that puppeteer throws when a navigation interrupts it. */
const BY_NAVIGATION = [
  'context was destroyed',
  'Cannot find context',
  'detached Frame',
  'frame was detached',
  'Execution context is not available',
  'Could not load response body', // the library reads each document that comes (Client.js, initWebVersionCache)
];

/**
 * Whether the page navigated during an evaluation, or while its document was read. Nothing is wrong then: what was asked can be
 * asked of the next document.
 * @param {unknown} error
 */
export function isNavigation(error) {
  const text = (error instanceof Error ? error.message : String(error)).toLowerCase();
  return BY_NAVIGATION.some((words) => text.includes(words.toLowerCase()));
}

/**
 * Whether the evaluation has ended in the page and only its answer is lost: Chromium drops an answer whose promise it collects as
 * garbage before it is sent (Chromium 150; wwebjs#2645, puppeteer#2686). Likely in a page that begins to work hard just then,
 * such as one that has connected.
 * @param {unknown} error
 */
export function isAnswerLost(error) {
  return error instanceof Error && /Promise was collected/.test(error.message);
}

/**
 * Whether puppeteer gave up waiting for an answer.
 * @param {unknown} error
 */
export function isTimeout(error) {
  return error instanceof Error && / timed out/.test(error.message);
}

/**
 * Whether the page or the browser is closing. That is reported by an event of its own, with a better reason.
 * @param {unknown} error
 */
export function isClosing(error) {
  const text = error instanceof Error ? error.message : String(error);
  return /Target closed|Session closed|Connection closed|browser has disconnected/i.test(text);
}
