// Waiting for the thing itself.

/** Milliseconds after which what should happen counts as never happening: far more than a busy machine takes. */
export const LIMIT = 60_000;

/**
 * For what has no event: looks again until it is so.
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
