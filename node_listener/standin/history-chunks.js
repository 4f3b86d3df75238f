// Under the way `history: chunks`, what a phone sends to a new device after the first part: one chunk after another, spread
// over `historyMs`, each sent again until the page has stored it.

import { CHUNKS, splitHistory } from './history.js';

/** @typedef {import('./phone-server.js').Device} Device */

export class HistoryChunks {
  /** No chunk is sent before this time. */
  heldUntil = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #phone;
  #options;

  /**
   * @param {import('./phone-server.js').PhoneServer} phone
   * @param {import('./options.js').StandinOptions} options
   */
  constructor(phone, options) {
    this.#phone = phone;
    this.#options = options;
  }

  /**
   * What the page gets before hasSynced; the rest waits here.
   * @param {Device} device
   */
  begin(device) {
    if (this.#options.ways.history !== 'chunks') return { messages: device.history, complete: true };
    const { first, chunks } = splitHistory(device.history);
    device.chunks = chunks;
    return { messages: first, complete: false };
  }

  /** Sends the next chunk of the device that is connected, when its time has come. */
  next() {
    clearTimeout(this.#timer);
    const { connection } = this.#phone;
    const device = this.#phone.devices.get(connection?.token ?? '');
    if (!device || device.historyDue || device.chunks.length === 0) return;
    const pause = this.#options.historyMs / CHUNKS;
    const send = () => {
      const [chunk] = device.chunks; // the oldest that was not stored
      // what was deleted on the phone meanwhile does not come, and what was edited comes as it is now
      const messages = chunk.stanzas.flatMap((stanza) => this.#phone.current(device.account, stanza) ?? []);
      connection?.send({ kind: 'chunk', n: chunk.n, messages, last: device.chunks.length === 1 });
    };
    this.#timer = setTimeout(send, Math.max(pause, this.heldUntil - Date.now()));
    this.#timer.unref();
  }

  /**
   * @param {Device} device
   * @param {number} n
   */
  done(device, n) {
    device.chunks = device.chunks.filter((chunk) => chunk.n !== n);
    this.next();
  }

  /** @param {number} seconds from now on no chunk comes for so long; 0 ends that */
  hold(seconds) {
    this.heldUntil = Date.now() + seconds * 1000;
    this.next();
  }

  end() {
    clearTimeout(this.#timer);
  }
}
