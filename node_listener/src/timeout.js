// A promise with a time limit.

/**
 * The promise's value, or an error once the limit has passed. What the promise does is not stopped by that.
 * @template T
 * @param {Promise<T>} promise its own failure after the limit is ignored
 * @param {number} limit milliseconds
 * @param {() => Error} [timeoutError]
 * @returns {Promise<T>}
 */
export async function withTimeout(
  promise,
  limit,
  timeoutError = () => new Error(`not done within ${limit} ms`),
) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(timeoutError()), limit);
  });
  try {
    return await /** @type {Promise<T>} */ (Promise.race([promise, timeout]));
  } finally {
    clearTimeout(timer);
  }
}
