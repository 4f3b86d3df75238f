// Linking a profile: by QR, or by a pairing code, which once asked for replaces the QR.
import { PAIRING_CODE_SECONDS } from './client.js';
import { errorText } from './stderr.js';
import { withTimeout } from './timeout.js';

/** WhatsApp shows the first QR for a minute and each later one for twenty seconds. */
const FIRST_QR_SECONDS = 60;
const NEXT_QR_SECONDS = 20;

/**
 * @param {object} parts
 * @param {import('whatsapp-web.js').Client} parts.client
 * @param {import('./wire.js').Wire} parts.wire
 * @param {boolean} parts.byCode whether the child was started to link by a code
 * @param {number} parts.timeout milliseconds the page may take to start a pairing by code
 */
export function createPairing({ client, wire, byCode, timeout }) {
  let usesCode = byCode;
  let fresh = false;
  let lastQr = '';
  let shown = 0;

  return {
    get wantsQr() {
      return !usesCode;
    },

    /** @param {string} qr as the library gives it: again for each inject, and `undefined,…` when there is no reference yet */
    qr(qr) {
      if (usesCode || qr === lastQr || qr.startsWith('undefined')) return;
      lastQr = qr;
      shown += 1;
      fresh = true;
      wire.send('qr', { qr, valid_seconds: shown === 1 ? FIRST_QR_SECONDS : NEXT_QR_SECONDS });
    },

    /** @param {string} code */
    code(code) {
      fresh = true;
      wire.send('pairing_code', { code, valid_seconds: PAIRING_CODE_SECONDS });
    },

    /**
     * Switches from QR to a pairing code.
     * @param {string} phone digits
     * @param {boolean} paired whether this profile is linked already
     */
    async requestCode(phone, paired) {
      const refuse = (/** @type {string} */ message) =>
        wire.send('command_error', { command: 'pairing_code', message });
      if (paired) return refuse('this profile is already paired');
      if (!client.pupPage) return refuse('the page is not loaded yet');
      usesCode = true;
      try {
        await withTimeout(client.requestPairingCode(phone), timeout);
      } catch (error) {
        usesCode = false;
        refuse(errorText(error));
      }
    },

    /** @returns {boolean} whether a QR or a code was shown since the last time this was asked */
    takeFresh() {
      const was = fresh;
      fresh = false;
      return was;
    },
  };
}
