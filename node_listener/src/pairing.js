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
 * @param {string | null} parts.phone that the child was started to link by a code
 * @param {number} parts.timeout milliseconds the page may take to start a pairing by code
 * @param {() => boolean} parts.held whether the page asks for something else than a code now
 */
export function createPairing({ client, wire, phone, timeout, held }) {
  let codePhone = phone;
  let requests = 0;
  let fresh = false;
  let lastQr = '';
  let shown = 0;

  /** @param {string} message */
  const refuse = (message) => wire.send('command_error', { command: 'pairing_code', message });

  function sendQr() {
    shown += 1;
    fresh = true;
    wire.send('qr', { qr: lastQr, valid_seconds: shown === 1 ? FIRST_QR_SECONDS : NEXT_QR_SECONDS });
  }

  // A second request breaks the first if that has no code yet (WAWebAltDeviceLinkingApi, build of 2026-04-27), and the library
  // starts requests of its own that it does not await.
  const libraryRequest = client.requestPairingCode.bind(client);
  client.requestPairingCode = async (...given) => {
    requests += 1;
    try {
      return await libraryRequest(...given);
    } finally {
      requests -= 1;
    }
  };

  /** @param {string} wanted digits */
  async function request(wanted) {
    const before = codePhone;
    codePhone = wanted;
    try {
      await withTimeout(client.requestPairingCode(wanted), timeout);
    } catch (error) {
      codePhone = before;
      refuse(errorText(error));
    }
  }

  return {
    get wantsQr() {
      return codePhone === null && !held();
    },

    /** @param {string} qr as the library gives it: again for each inject, and `undefined,…` when there is no reference yet */
    qr(qr) {
      if (codePhone !== null || qr === lastQr || qr.startsWith('undefined')) return;
      lastQr = qr;
      if (!held()) sendQr();
    },

    /** @param {string} code */
    code(code) {
      if (held()) return;
      fresh = true;
      wire.send('pairing_code', { code, valid_seconds: PAIRING_CODE_SECONDS });
    },

    /** The page shows codes again. */
    async resume() {
      if (codePhone !== null) await request(codePhone);
      else if (lastQr !== '') sendQr();
    },

    /**
     * Switches from QR to a pairing code.
     * @param {string} wanted digits
     * @param {boolean} paired whether this profile is linked already
     */
    async requestCode(wanted, paired) {
      if (paired) return refuse('this profile is already paired');
      if (!client.pupPage) return refuse('the page is not loaded yet');
      if (held()) return refuse('WhatsApp asks for a passkey, and shows no code meanwhile');
      if (requests > 0) return refuse('a pairing code is being requested already');
      await request(wanted);
    },

    /** @returns {boolean} whether a QR or a code was shown since the last time this was asked */
    takeFresh() {
      const was = fresh;
      fresh = false;
      return was;
    },
  };
}
