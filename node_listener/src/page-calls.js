// Our own evaluations in the page, each with a limit of its own: a crashed or blocked renderer never answers, and
// puppeteer would wait a minute or more. This is all the rest of the code gets of the page.

/** The page did not answer in time. */
export class PageSilent extends Error {}

/**
 * @typedef {<T>(source: string | ((...args: any[]) => T), ...args: any[]) => Promise<Awaited<T>>} PageCall
 */

/**
 * @param {() => import('puppeteer').Page | null | undefined} page
 * @param {number} limit milliseconds
 * @returns {PageCall}
 */
export function createPageCall(page, limit) {
  return async (source, ...args) => {
    const target = page();
    if (!target) throw new PageSilent('there is no page yet');
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new PageSilent(`the page did not answer within ${limit} ms`)), limit);
    });
    const answer = target.evaluate(/** @type {any} */ (source), ...args);
    answer.catch(() => {}); // when we no longer wait, its late failure is nobody's
    try {
      return /** @type {any} */ (await Promise.race([answer, late]));
    } finally {
      clearTimeout(timer);
    }
  };
}

/**
 * Whether an error only says that the page moved on under an evaluation; the next load answers.
 * @param {unknown} error
 */
export function isNavigation(error) {
  const text = error instanceof Error ? error.message : String(error);
  return /context was destroyed|Cannot find context|detached Frame|frame was detached|Execution context is not available/i.test(
    text,
  );
}

/**
 * Whether puppeteer gave up waiting for an answer.
 * @param {unknown} error
 */
export function isTimeout(error) {
  return error instanceof Error && / timed out/.test(error.message);
}

/**
 * Whether an error only says that the page or the browser is going: that has its own event, which says it better.
 * @param {unknown} error
 */
export function isClosing(error) {
  const text = error instanceof Error ? error.message : String(error);
  return /Target closed|Session closed|Connection closed|browser has disconnected/i.test(text);
}
