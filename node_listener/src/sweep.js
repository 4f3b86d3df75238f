// The sweep, a backfill from the page's store: reads it chat by chat and puts on the wire what is newer than the daemon
// has. The library has no such thing; its events cover only what is added after it attached. One sweep runs at a time.

import { listChats, readChat } from './page/sweep.js';
import { PageSilent } from './page-calls.js';
import { errorText } from './stderr.js';

/** About how much one evaluation may return, in characters of JSON. */
const PIECE = 1_000_000;
/** How many evaluations may page back in one chat, each for `loadTime`. */
const MOST_LOADS = 100;

/**
 * @typedef {import('./commands.js').SweepCommand} SweepCommand
 * @typedef {{chat: string, t: number, aliases: string[]}} ListedChat
 */

/** The page was reloaded during the sweep. */
class PageGone extends Error {}

/**
 * @param {object} parts
 * @param {import('./wire.js').Wire} parts.wire
 * @param {import('./page-calls.js').PageCall} parts.call
 * @param {import('./page/install.js').PageConfig} parts.config
 * @param {(raw: Record<string, unknown>, via: 'sweep') => boolean} parts.message puts a record on the wire
 * @param {() => boolean} parts.ready
 * @param {number} parts.loadTime milliseconds the page may page back in one evaluation
 */
export function createSweeper({ wire, call, config, message, ready, loadTime }) {
  /** @type {Promise<void>} */
  let last = Promise.resolve();
  let stopped = false;

  /** @param {SweepCommand} command */
  async function sweep(command) {
    const total = {
      sweep: command.sweep,
      started_at: Date.now(),
      chats: 0,
      looked_at: 0,
      messages: 0,
      failed: 0,
      oldest: /** @type {number | null} */ (null),
      newest: /** @type {number | null} */ (null),
      error: /** @type {string | null} */ (null),
    };
    try {
      if (!ready()) throw new Error('the page is not ready');
      const listed = await call(listChats, config);
      if (listed === null) throw new PageGone('the page was reloaded');
      total.chats = listed.total;
      for (const chat of listed.wanted) {
        if (stopped) throw new Error('the listener is stopping');
        const since = startOf(chat, command);
        if (since === null || chat.t < since) continue;
        total.looked_at += 1;
        const done = await sweepChat(chat.chat, since);
        total.messages += done.found;
        if (done.error !== null) total.failed += 1;
        total.oldest = least(total.oldest, done.oldest);
        total.newest = most(total.newest, done.newest);
        const { found, through, error } = done;
        wire.send('sweep_chat', { sweep: command.sweep, chat: chat.chat, found, through, error });
        if (done.gone) throw new PageGone('the page was reloaded');
        // If it was only this chat, go on. A page that hangs fails here, instead of once for every chat.
        if (done.silent) await call(listChats, config);
      }
    } catch (error) {
      total.error = error instanceof Error ? error.message : errorText(error);
    }
    if (!stopped) wire.send('sweep_done', total);
  }

  /**
   * @param {string} chat
   * @param {number} since seconds
   */
  async function sweepChat(chat, since) {
    const done = {
      found: 0,
      through: /** @type {number | null} */ (null),
      oldest: /** @type {number | null} */ (null),
      newest: /** @type {number | null} */ (null),
      error: /** @type {string | null} */ (null),
      gone: false,
      silent: false,
    };
    let unreadable = 0;
    let partial = false;
    let loads = 0;
    try {
      /** @type {number | null} */
      let at = 0;
      while (at !== null && !stopped) {
        const piece = /** @type {Awaited<ReturnType<typeof readChat>>} */ (
          await call(readChat, config, { chat, since, at, loadTime, bytes: PIECE })
        );
        if (piece === null) {
          done.gone = true;
          throw new PageGone('the page was reloaded');
        }
        for (const raw of piece.records) {
          if (raw === null) unreadable += 1;
          if (raw === null || !message(raw, 'sweep')) continue;
          done.found += 1;
          done.oldest = least(done.oldest, raw.t);
          done.newest = most(done.newest, raw.t);
        }
        if (piece.partial) partial = true;
        if (piece.loading) loads += 1;
        if (loads > MOST_LOADS) throw new Error('there is too much history to page back through');
        if (piece.through !== null) done.through = piece.through;
        at = piece.next;
        await wire.drained();
      }
      if (partial) throw new Error('this build of WhatsApp Web does not load earlier messages');
      if (unreadable > 0) throw new Error(`${unreadable} messages could not be read`);
    } catch (error) {
      done.silent = error instanceof PageSilent;
      done.error = error instanceof Error ? error.message : errorText(error);
      done.through = null; // nothing counts as covered
    }
    return done;
  }

  return {
    /** @param {SweepCommand} command */
    run(command) {
      last = last.then(() => sweep(command));
      return last;
    },
    stop() {
      stopped = true;
    },
  };
}

/**
 * Where to start in a chat: its own watermark under any of its names, or the common one.
 * @param {ListedChat} listed
 * @param {SweepCommand} command
 * @returns {number | null} seconds, null for a chat to ignore
 */
export function startOf({ chat, aliases }, command) {
  const names = [chat, ...aliases];
  if (names.some((name) => command.ignore.includes(name))) return null;
  const own = names.map((name) => command.chats[name]).filter((time) => time !== undefined);
  return own.length > 0 ? Math.min(...own) : command.from;
}

/**
 * @param {number | null} a
 * @param {number | null} b
 */
function least(a, b) {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/**
 * @param {number | null} a
 * @param {number | null} b
 */
function most(a, b) {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
