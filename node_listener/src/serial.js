// Two ways to keep an asynchronous task from overlapping with itself.

/**
 * Each call runs after the one before it has ended, however that ended.
 * @param {() => Promise<void>} task
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
 * A call does nothing while another one runs.
 * @param {() => Promise<void>} task
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
