// The only writer of the protocol: envelope, numbering, line limit, and the queue between us and a slow reader.
import { limitedJson } from './line-limit.js';

/** Beyond this, live messages are dropped: Node never blocks on a full pipe, but grows until it is killed. */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
/** Characters after which a write takes no further line: what a pipe holds at least. Each write wakes the reader. */
const AT_ONCE = 64 * 1024;

/**
 * @typedef {{write(chunk: string): boolean, once(event: 'drain', listener: () => void): unknown,
 *   readonly writableLength: number}} Sink
 * @typedef {ReturnType<typeof createWire>} Wire
 */

/**
 * @param {Sink} sink the real stdout
 * @param {() => number} [now] milliseconds
 */
export function createWire(sink, now = Date.now) {
  /** @type {string[]} */
  const queue = [];
  let waiting = 0;
  let seq = 0;
  let dropped = 0;
  let blocked = false;
  let broken = false;
  let held = false;
  /** @type {(() => void)[]} */
  let listeners = [];

  const queuedBytes = () => waiting + sink.writableLength;

  function nextLines() {
    let lines = '';
    while (queue.length > 0 && lines.length < AT_ONCE) lines += queue.shift();
    return lines;
  }

  function pump() {
    while (!blocked && !held && queue.length > 0) {
      const chunk = nextLines();
      waiting -= Buffer.byteLength(chunk, 'utf8');
      if (!sink.write(chunk)) {
        blocked = true;
        sink.once('drain', () => {
          blocked = false;
          pump();
        });
      }
    }
    if (broken || (queue.length === 0 && !blocked)) {
      const ready = listeners;
      listeners = [];
      for (const listener of ready) listener();
    }
  }

  return {
    /**
     * @param {string} type
     * @param {Record<string, unknown>} [fields]
     */
    send(type, fields = {}) {
      seq += 1;
      if (broken) return;
      const line = `${limitedJson({ v: 1, type, seq, at: now(), ...fields })}\n`;
      const size = Buffer.byteLength(line, 'utf8');
      if (type === 'message' && fields.via === 'live' && queuedBytes() + size > MAX_QUEUED_BYTES) {
        dropped += 1; // its number is used up, so the reader sees a sequence gap and sweeps
        return;
      }
      queue.push(line);
      waiting += size;
      pump();
    },

    /**
     * Writes at once what this sends, all of it at the end.
     * @param {() => void} work
     */
    together(work) {
      held = true;
      try {
        work();
      } finally {
        held = false;
        pump();
      }
    },

    /** Resolves once the reader has taken everything. Sweeps wait here, so that none of their lines is dropped. */
    drained() {
      return new Promise((/** @type {(value: void) => void} */ resolve) => {
        listeners.push(resolve);
        pump();
      });
    },

    /** Nobody reads any more: drop the queue. */
    abandon() {
      broken = true;
      queue.length = 0;
      waiting = 0;
      pump();
    },

    get queuedBytes() {
      return queuedBytes();
    },
    get dropped() {
      return dropped;
    },
  };
}
