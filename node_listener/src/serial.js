// Two ways to keep an asynchronous task from overlapping with itself.

/**
 * Queues the calls of a task: each runs after the one before it has ended, whether that succeeded or failed.
 * @param {() => Promise<void>} task
 * @returns {{run: () => Promise<void>, readonly busy: boolean}} run() settles as its own call of the task does; busy: one runs or
 *   waits
 */
export function oneAfterAnother(task) {
  /** @type {Promise<void>} */
  let last = Promise.resolve();
  let unfinished = 0;
  return {
    run() {
      unfinished += 1;
      last = last
        .catch(() => {})
        .then(task)
        .finally(() => {
          unfinished -= 1;
        });
      return last;
    },
    get busy() {
      return unfinished > 0;
    },
  };
}

/**
 * Ignores a call of a task while another one runs: it resolves at once, and nothing is queued.
 * @param {() => Promise<void>} task
 * @returns {{run: () => Promise<void>, readonly busy: boolean}} run() settles as the task does, unless the call was ignored
 */
export function skipWhileBusy(task) {
  let busy = false;
  return {
    async run() {
      if (busy) return;
      busy = true;
      try {
        await task();
      } finally {
        busy = false;
      }
    },
    get busy() {
      return busy;
    },
  };
}
