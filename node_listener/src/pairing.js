// Linking a profile: by QR codes, or by a pairing code. Once a pairing code was asked for, QR codes are not reported any more.
import { PAIRING_CODE_SECONDS } from './client.js';
import { errorText } from './stderr.js';
import { withTimeout } from './timeout.js';

/** How long WhatsApp accepts the first QR code, and each later one. */
const FIRST_QR_SECONDS = 60;
const NEXT_QR_SECONDS = 20;

/**
 * Puts codes on the wire and asks the library for pairing codes. Wraps the client's requestPairingCode() at once, to know of each
 * request that runs.
 * @param {object} parts
 * @param {import('whatsapp-web.js').Client} parts.client
 * @param {import('./wire.js').Wire} parts.wire
 * @param {string | null} parts.phone digits: the child was started to link this one by a code. Null: by QR
 * @param {number} parts.timeout milliseconds the page may take to start a pairing by code
 * @param {() => boolean} parts.held whether WhatsApp asks for a passkey instead, so that codes are of no use now
 */
export function createPairing({ client, wire, phone, timeout, held }) {
  /** @type {string | null} the phone to link by a code; null while linking is by QR */
  let codePhone = phone;
  /** How many requests for a pairing code run, the library's own among them. */
  let runningRequests = 0;
  /** Whether a code was sent since takeFresh(). */
  let fresh = false;
  let lastQr = '';
  let qrCount = 0;

  /** @param {string} message */
  const refuse = (message) => wire.send('command_error', { command: 'pairing_code', message });

  function sendQr() {
    qrCount += 1;
    fresh = true;
    wire.send('qr', { qr: lastQr, valid_seconds: qrCount === 1 ? FIRST_QR_SECONDS : NEXT_QR_SECONDS });
  }

  // Counted, because a second request breaks the first if that has no code yet (WAWebAltDeviceLinkingApi, build of 2026-04-27),
  // and the library also makes requests of its own, which it does not await.
  const libraryRequest = client.requestPairingCode.bind(client);
  client.requestPairingCode = async (...given) => {
    runningRequests += 1;
    try {
      return await libraryRequest(...given);
    } finally {
      runningRequests -= 1;
    }
  };

  /**
   * Asks for a pairing code, which comes as an event of the library. If that fails, `command_error` is sent and linking goes on as
   * before.
   * @param {string} newPhone digits
   */
  async function request(newPhone) {
    const before = codePhone;
    codePhone = newPhone;
    try {
      await withTimeout(client.requestPairingCode(newPhone), timeout);
    } catch (error) {
      codePhone = before;
      refuse(errorText(error));
    }
  }

  return {
    /** Whether QR codes are to be shown now. */
    get wantsQr() {
      return codePhone === null && !held();
    },

    /**
     * Sends a new QR code, unless linking is by a pairing code. During a passkey step it is kept for resume().
     * @param {string} qr as the library gives it: the same one again at each inject, and `undefined,…` when the page has none yet
     */
    qr(qr) {
      if (codePhone !== null || qr === lastQr || qr.startsWith('undefined')) return;
      lastQr = qr;
      if (!held()) sendQr();
    },

    /** Sends a pairing code, unless WhatsApp asks for a passkey now. @param {string} code */
    code(code) {
      if (held()) return;
      fresh = true;
      wire.send('pairing_code', { code, valid_seconds: PAIRING_CODE_SECONDS });
    },

    /** A passkey step has ended without a link: asks for another pairing code, or sends the last QR code again. */
    async resume() {
      if (codePhone !== null) await request(codePhone);
      else if (lastQr !== '') sendQr();
    },

    /**
     * Switches from QR to a pairing code, as the daemon asked. What prevents it is answered with `command_error`.
     * @param {string} newPhone digits
     * @param {boolean} paired whether this profile is linked already
     */
    async requestCode(newPhone, paired) {
      if (paired) return refuse('this profile is already paired');
      if (!client.pupPage) return refuse('the page is not loaded yet');
      if (held()) return refuse('WhatsApp asks for a passkey, and shows no code meanwhile');
      if (runningRequests > 0) return refuse('a pairing code is being requested already');
      await request(newPhone);
    },

    /**
     * Whether a code of either kind was sent since the last call: then the account was linked just now. Resets the answer.
     * @returns {boolean}
     */
    takeFresh() {
      const wasFresh = fresh;
      fresh = false;
      return wasFresh;
    },
  };
}
