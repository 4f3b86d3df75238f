// The only writer of the protocol: envelope, numbering, line limit, and the queue in front of a reader that is slower than us.
import { limitedJson } from './line-limit.js';

/** When more bytes wait for the reader, live messages are dropped: Node would keep all of them in memory, without a limit. */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
/** A write takes no further line after this many characters, about what a pipe holds. Fewer writes wake the reader less often. */
const WRITE_SIZE = 64 * 1024;

/**
 * @typedef {{write(chunk: string): boolean, once(event: 'drain', listener: () => void): unknown,
 *   readonly writableLength: number}} Sink
 * @typedef {ReturnType<typeof createWire>} Wire
 */

/**
 * Owns the queue of lines: nothing else may write to the sink.
 * @param {Sink} sink the real stdout
 * @param {() => number} [now] milliseconds
 */
export function createWire(sink, now = Date.now) {
  /** @type {string[]} */
  const queue = [];
  let bytesInQueue = 0;
  let seq = 0;
  let dropped = 0;
  /** The sink is full: pump() goes on at its `drain`. */
  let blocked = false;
  /** The reader is gone. */
  let abandoned = false;
  /** Lines are collected and not written yet; see together(). */
  let collecting = false;
  /** @type {(() => void)[]} called once the queue is empty, or is given up */
  let drainListeners = [];

  const queuedBytes = () => bytesInQueue + sink.writableLength;

  /** Takes lines off the queue: as many as one write may hold, at least one. */
  function takeLines() {
    let lines = '';
    while (queue.length > 0 && lines.length < WRITE_SIZE) lines += queue.shift();
    return lines;
  }

  /** Writes for as long as the sink takes more, and calls those who wait for an empty queue. */
  function pump() {
    while (!blocked && !collecting && queue.length > 0) {
      const chunk = takeLines();
      bytesInQueue -= Buffer.byteLength(chunk, 'utf8');
      if (!sink.write(chunk)) {
        blocked = true;
        sink.once('drain', () => {
          blocked = false;
          pump();
        });
      }
    }
    if (abandoned || (queue.length === 0 && !blocked)) {
      const waiting = drainListeners;
      drainListeners = [];
      for (const listener of waiting) listener();
    }
  }

  return {
    /**
     * Queues a line and writes what the sink takes. A live message is dropped when the queue is full; any other line is kept.
     * @param {string} type of the line; docs/protocol.md lists them
     * @param {Record<string, unknown>} [fields] of this type, besides those of the envelope
     */
    send(type, fields = {}) {
      seq += 1;
      if (abandoned) return;
      const line = `${limitedJson({ v: 1, type, seq, at: now(), ...fields })}\n`;
      const size = Buffer.byteLength(line, 'utf8');
      if (type === 'message' && fields.via === 'live' && queuedBytes() + size > MAX_QUEUED_BYTES) {
        dropped += 1; // its number is used up, so the reader sees a sequence gap and sweeps
        return;
      }
      queue.push(line);
      bytesInQueue += size;
      pump();
    },

    /**
     * Collects the lines that `work` sends, and writes them together when it returns or throws: fewer writes.
     * @param {() => void} work
     */
    together(work) {
      collecting = true;
      try {
        work();
      } finally {
        collecting = false;
        pump();
      }
    },

    /** Resolves once the reader has taken everything. Sweeps wait here, so that none of their lines is dropped. */
    drained() {
      return new Promise((/** @type {(value: void) => void} */ resolve) => {
        drainListeners.push(resolve);
        pump();
      });
    },

    /** Nobody reads any more: discards the queue, and everything that is sent from now on. */
    abandon() {
      abandoned = true;
      queue.length = 0;
      bytesInQueue = 0;
      pump();
    },

    /** Bytes that the reader has not taken yet, ours and those that the sink holds. */
    get queuedBytes() {
      return queuedBytes();
    },
    /** How many live messages were dropped so far. */
    get dropped() {
      return dropped;
    },
  };
}
