// What the page shows when WhatsApp asks for a passkey -> `passkey` lines. It asks some accounts, when they link or later, and
// only a person can answer.

/**
 * @typedef {import('./page/page.js').Passkey} Passkey
 */

/**
 * Keeps the step that was reported last, so that only changes go on the wire.
 * @param {object} parts
 * @param {import('./wire.js').Wire} parts.wire
 * @param {() => void} parts.onCancelled called when linking no longer waits for a passkey and has not succeeded: the page shows
 *   codes again
 */
export function createPasskey({ wire, onCancelled }) {
  /** @type {Passkey | null} */
  let current = null;

  /**
   * Reports the end of the current step, if there is one.
   * @param {'done' | 'failed'} step
   * @param {'event' | 'level'} by `event`: an event of the page showed it; `level`: a look at the page did
   */
  function end(step, by) {
    if (current === null) return;
    const { where } = current;
    current = null;
    wire.send('passkey', { where, step, code: null, by });
  }

  return {
    /**
     * Takes what the page shows now, and reports what has changed: the end of the step before, and a new one.
     * @param {object} page
     * @param {Passkey | null} page.found null: nothing asks for a passkey
     * @param {boolean} page.linked whether an account is linked
     * @param {boolean} page.failed whether the page has just said that the step failed
     * @param {boolean} page.unchecked whether finding no check of the linked account proves that none is asked for: a page
     *   that loads may not show it yet
     */
    update({ found, linked, failed, unchecked }) {
      const isLinking = found?.where === 'linking';
      const isChecking = found?.where === 'check';
      const wasLinking = current?.where === 'linking';
      if (failed) end('failed', 'event');
      if (current?.where === 'linking' && !isLinking) end(linked ? 'done' : 'failed', 'level');
      else if (current?.where === 'check' && !isChecking && unchecked) end('done', 'level');
      if (wasLinking && !isLinking && !linked) onCancelled();
      if (found === null) return;
      if (found.step === current?.step && found.code === current.code) return;
      current = found;
      const { where, step, code, by } = found;
      wire.send('passkey', { where, step, code, by });
    },

    /** Whether linking waits for a passkey: no code may be shown or asked for meanwhile. */
    get stopsCodes() {
      return current?.where === 'linking';
    },
  };
}
