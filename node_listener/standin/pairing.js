// How a page without a session gets one: by a QR reference, which the server renews periodically, or by a pairing code.
// A phone would read the reference from the QR; `scan` and `pair` play the phone.

import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { BadRequest } from './stanza.js';

/** @typedef {import('./phone-server.js').Connection} Connection */

/** Answers of the phone that one pairing code takes (WAWebAltDeviceLinkingApi). */
const CODE_ANSWERS = 3;

export class Pairing extends EventEmitter {
  /** @type {string | null} the reference shown now */
  ref = null;
  /** @type {string | null} */
  code = null;
  /** @type {string | null} the phone that asked for the code */
  codePhone = null;
  /** @type {{step: string, body: Record<string, any>} | null} a scan that waits for a passkey, and its last step */
  ceremony = null;
  /** @type {Connection | null} */
  #page = null;
  /** References that are left to show; null: there is always another one. */
  #left = /** @type {number | null} */ (null);
  #codeAt = 0;
  #codeAnswers = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #options;

  /** @param {import('./options.js').StandinOptions} options */
  constructor(options) {
    super();
    this.#options = options;
  }

  /** @returns {Connection | null} the page that shows a QR now */
  get page() {
    return this.ref === null ? null : this.#page;
  }

  /** @returns {Connection | null} the unpaired page, whether it shows a QR or not */
  get connection() {
    return this.#page;
  }

  /** @param {Connection} page an unpaired page that has just opened its stream */
  begin(page) {
    this.end();
    this.#page = page;
    this.renew();
  }

  /** A new list of references. */
  renew() {
    this.#left = this.#options.ways.qr_refs;
    this.#rotate(this.#options.qrFirst, this.#left !== null);
  }

  /** @param {Connection} [page] ends it only if it is this page's pairing */
  end(page) {
    if (page && page !== this.#page) return;
    clearTimeout(this.#timer);
    this.#page = null;
    this.ref = null;
    this.code = null;
    this.codePhone = null;
    this.ceremony = null;
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
    this.#codeAt = Date.now();
    this.#codeAnswers = 0;
    this.emit('change');
    return this.code;
  }

  /** The phone answers to the code, which is good for a while and for a few answers only. Throws when it is not. */
  answerCode() {
    if (!this.#options.ways.pairing_limits) return;
    this.#codeAnswers += 1;
    let why = null;
    if (this.#codeAnswers > CODE_ANSWERS) why = `the code has been answered ${CODE_ANSWERS} times`;
    if (Date.now() - this.#codeAt > this.#options.codeLimit) why = 'the code is too old';
    this.#page?.send({ kind: 'code_answered', refused: why !== null });
    if (why) throw new BadRequest(`cannot pair: ${why}; the page must ask for another one`);
  }

  /**
   * Shows the next reference, and plans the one after it. At the end of the list the page is told to be idle.
   * @param {number} validFor milliseconds
   * @param {boolean} [renewed] it is the first of a list: the page makes a new secret for it
   */
  #rotate(validFor, renewed = false) {
    clearTimeout(this.#timer);
    if (this.#left === 0) {
      this.ref = null;
      this.#page?.send({ kind: 'idle' });
      this.emit('change');
      return;
    }
    if (this.#left !== null) this.#left -= 1;
    this.ref = `2@${randomBytes(48).toString('base64')}`;
    this.#page?.send({ kind: 'ref', ref: this.ref, renewed });
    this.#timer = setTimeout(() => this.#rotate(this.#options.qrPeriod), validFor);
    this.#timer.unref();
    this.emit('change');
  }
}
