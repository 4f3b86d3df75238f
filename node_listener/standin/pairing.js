// How a page without a session gets one: by a QR reference, which the server renews periodically, or by a pairing code.
// A phone would read the reference from the QR; `scan` and `pair` play the phone.

import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';

/** @typedef {import('./phone-server.js').Connection} Connection */

export class Pairing extends EventEmitter {
  /** @type {string | null} the reference shown now */
  ref = null;
  /** @type {string | null} */
  code = null;
  /** @type {string | null} the phone that asked for the code */
  codePhone = null;
  /** @type {Connection | null} */
  #page = null;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #options;

  /** @param {{qrFirst: number, qrPeriod: number}} options */
  constructor(options) {
    super();
    this.#options = options;
  }

  /** @returns {Connection | null} the page that shows a QR now */
  get page() {
    return this.#page;
  }

  /** @param {Connection} page an unpaired page that has just opened its stream */
  begin(page) {
    this.end();
    this.#page = page;
    this.#rotate(this.#options.qrFirst);
  }

  /** @param {Connection} [page] ends it only if it is this page's pairing */
  end(page) {
    if (page && page !== this.#page) return;
    clearTimeout(this.#timer);
    this.#page = null;
    this.ref = null;
    this.code = null;
    this.codePhone = null;
    this.emit('change');
  }

  /** A new reference now; the next one comes a period later. */
  rotate() {
    this.#rotate(this.#options.qrPeriod);
  }

  /** Ends the rotation, as WhatsApp does after a few unscanned references. The page then goes to UNPAIRED_IDLE. */
  stopRotating() {
    clearTimeout(this.#timer);
  }

  /**
   * @param {string} phone
   * @returns {string} eight characters, shown by the page and typed into the phone
   */
  makeCode(phone) {
    const letters = 'ABCDEFGHJKLMNPQRSTVWXYZ123456789';
    this.code = Array.from(randomBytes(8), (byte) => letters[byte % letters.length]).join('');
    this.codePhone = phone;
    this.emit('change');
    return this.code;
  }

  /** @param {number} validFor */
  #rotate(validFor) {
    clearTimeout(this.#timer);
    this.ref = `2@${randomBytes(48).toString('base64')}`;
    this.#page?.send({ kind: 'ref', ref: this.ref });
    this.#timer = setTimeout(() => this.#rotate(this.#options.qrPeriod), validFor);
    this.#timer.unref();
    this.emit('change');
  }
}
