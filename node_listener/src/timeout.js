// A promise with a time limit.

/**
 * @template T
 * @param {Promise<T>} promise its own late failure is ignored once the limit has passed
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
