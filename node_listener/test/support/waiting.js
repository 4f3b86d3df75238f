// Waiting for a condition.

/** Milliseconds after which a test gives up waiting: far more than a busy machine takes. */
export const LIMIT = 60_000;

/**
 * Polls, for what has no event.
 * @param {() => boolean | Promise<boolean>} test
 * @param {number} [limit] milliseconds
 */
export async function until(test, limit = LIMIT) {
  const end = Date.now() + limit;
  while (!(await test())) {
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${test}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
