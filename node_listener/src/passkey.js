// The step of WhatsApp that only a person with a passkey can take: what the page shows of it -> `passkey` lines.

/**
 * @typedef {import('./page/page.js').Passkey} Passkey
 */

/**
 * @param {object} parts
 * @param {import('./wire.js').Wire} parts.wire
 * @param {() => void} parts.onCancelled a passkey was asked for while linking, and codes are shown again
 */
export function createPasskey({ wire, onCancelled }) {
  /** @type {Passkey | null} */
  let standing = null;

  /**
   * @param {'done' | 'failed'} step
   * @param {'event' | 'level'} by
   */
  function end(step, by) {
    if (standing === null) return;
    const { where } = standing;
    standing = null;
    wire.send('passkey', { where, step, code: null, by });
  }

  return {
    /**
     * What the page shows now, reported when it changes.
     * @param {object} page
     * @param {Passkey | null} page.found
     * @param {boolean} page.linked
     * @param {boolean} page.failed the page has just said so
     * @param {boolean} page.unchecked nobody asks for a check of the linked account
     */
    seen({ found, linked, failed, unchecked }) {
      const wasLinking = standing?.where === 'linking';
      if (failed) end('failed', 'event');
      if (standing?.where === 'linking' && found?.where !== 'linking')
        end(linked ? 'done' : 'failed', 'level');
      else if (standing?.where === 'check' && found?.where !== 'check' && unchecked) end('done', 'level');
      if (wasLinking && found?.where !== 'linking' && !linked) onCancelled();
      if (found === null || (found.step === standing?.step && found.code === standing.code)) return;
      standing = found;
      const { where, step, code, by } = found;
      wire.send('passkey', { where, step, code, by });
    },

    /** Whether linking waits for it: no code may be shown or asked for meanwhile. */
    get stopsCodes() {
      return standing?.where === 'linking';
    },
  };
}
