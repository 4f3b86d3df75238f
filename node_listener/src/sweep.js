// The sweep, a backfill from the page's store: reads it chat by chat and puts on the wire what is newer than the daemon
// has. The library has no such thing; its events cover only what is added after it attached. One sweep runs at a time.
import { setTimeout as sleep } from 'node:timers/promises';
import { pageSources } from './page/install.js';
import { PageSilent } from './page-calls.js';
import { errorText } from './stderr.js';

/** About how much one evaluation may return, in characters of JSON. */
const PIECE = 1_000_000;
/** How many chats one evaluation is asked for, and after how many characters of JSON and milliseconds it begins no further one:
 *  to ask costs more than to read a short chat, and more at once would only wait in memory. */
const AT_ONCE = 25;
const TOGETHER = { bytes: 100_000, time: 200 };
/** How many evaluations may read in one chat, each for `loadTime`. */
const MOST_LOADS = 100;
/** Messages that one read of the disk asks for: as many as the page itself does (WAWebCollectionConstants). */
const PAGE = 50;
/** Milliseconds after which an offline delivery counts as ended: the page itself waits no longer for it
 *  (WAWebEventsWaitForOfflineDeliveryEnd). */
const LONGEST_DELIVERY = 300_000;

/**
 * @typedef {import('./commands.js').SweepCommand} SweepCommand
 * @typedef {import('./page/sweep.js').Piece} Piece
 * @typedef {{chat: string, t: number, aliases: string[]}} ListedChat
 * @typedef {import('./page/sweep.js').Place} Place
 * @typedef {Omit<Place, 'at'>} Wanted
 * @typedef {ReturnType<typeof nothingDone>} Done
 */

/** The page was reloaded during the sweep. */
class PageGone extends Error {}

/**
 * @param {object} parts
 * @param {import('./wire.js').Wire} parts.wire
 * @param {import('./page-calls.js').PageCall} parts.call
 * @param {import('./page/install.js').PageConfig} parts.config
 * @param {Pick<ReturnType<typeof import('./relay.js').createRelay>, 'message' | 'change' | 'changes' | 'reactions'>} parts.relay
 *   puts records on the wire
 * @param {() => boolean} parts.ready
 * @param {number} parts.loadTime milliseconds the page may read in one evaluation
 * @param {number} parts.patience milliseconds to wait for what the page is busy with; what is left is for the next sweep
 * @param {(message: string) => void} parts.onTrouble what costs no message
 */
export function createSweeper({ wire, call, config, relay, ready, loadTime, patience, onTrouble }) {
  const { sweeping } = pageSources(config);
  const { namespace } = config;
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
      unloaded: 0,
      read_by: /** @type {'disk' | 'paging' | null} */ (null),
      oldest: /** @type {number | null} */ (null),
      newest: /** @type {number | null} */ (null),
      error: /** @type {string | null} */ (null),
    };
    try {
      if (!ready()) throw new Error('the page is not ready');
      if (!(await call(sweeping))) throw new PageGone('the page was reloaded');
      const delivering = await deliveryLasts();
      total.started_at = Date.now();
      const listed = await call(askForChats, namespace);
      if (listed === null) throw new PageGone('the page was reloaded');
      total.chats = listed.total;
      const chats = listed.wanted.flatMap((chat) => wantedOf(chat, command) ?? []);
      const shared = ofOnePerson(listed.wanted);
      const until = Date.now() + patience;
      for (let rest = chats; rest.length > 0; ) {
        const unloaded = [];
        const mayWait = Date.now() < until;
        for await (const { chat, done } of sweepChats(rest)) {
          if (stopped) throw new Error('the listener is stopping');
          if (done.unloaded && mayWait) unloaded.push(chat);
          else report(chat, done, delivering || shared.has(chat.chat));
          if (done.gone) throw new PageGone('the page was reloaded');
          // If it was only this chat, go on. A page that hangs fails here, instead of once for every chat.
          if (done.silent) await call(askForChats, namespace);
        }
        if (unloaded.length > 0) await sleep(500);
        rest = unloaded;
      }
      await sweepVotes(listed.wanted, command);
      if (listed.unnamed > 0) throw new Error('the page has chats without an id that can be read');
      if (delivering) throw new Error('the page is still receiving what waited at the server');
    } catch (error) {
      total.error = error instanceof Error ? error.message : errorText(error);
    }
    if (!stopped) wire.send('sweep_done', total);

    /**
     * @param {Wanted} wanted
     * @param {Done} done
     * @param {boolean} mayGrow older messages may still come into this chat: nothing counts as covered
     */
    function report({ chat }, done, mayGrow) {
      total.looked_at += 1;
      total.messages += done.found;
      if (done.error !== null) total.failed += 1;
      if (done.unloaded) total.unloaded += 1;
      else if (done.by !== null) total.read_by = total.read_by === 'paging' ? 'paging' : done.by;
      total.oldest = least(total.oldest, done.oldest);
      total.newest = most(total.newest, done.newest);
      const { found, error } = done;
      const through = mayGrow ? null : done.through;
      wire.send('sweep_chat', { sweep: command.sweep, chat, found, through, error });
    }
  }

  /**
   * Votes are in one table for all chats. Reading it costs no message, so a failure is told and no more.
   * @param {ListedChat[]} listed
   * @param {SweepCommand} command
   */
  async function sweepVotes(listed, command) {
    const depths = new Map();
    for (const chat of listed) {
      const since = startOf(chat, command);
      if (since === null) continue;
      const depth = Math.min(since, command.changes_from ?? since);
      for (const name of [chat.chat, ...chat.aliases]) depths.set(name, depth);
    }
    if (depths.size === 0) return;
    try {
      const votes = await call(askForVotes, namespace, Math.min(...depths.values()));
      for (const vote of votes ?? []) if (vote.t >= depths.get(vote.id.remote)) relay.message(vote, 'sweep');
    } catch (error) {
      onTrouble(`votes could not be read: ${errorText(error)}`);
    }
  }

  /**
   * Waits for the end of the offline delivery, for a while.
   * @returns {Promise<boolean>} whether it lasts
   */
  async function deliveryLasts() {
    const until = Date.now() + patience;
    while (!stopped) {
      const lasts = await call(askIfDelivering, namespace);
      if (lasts === null || lasts > LONGEST_DELIVERY) return false;
      if (Date.now() > until) return true;
      await sleep(500);
    }
    return false;
  }

  /**
   * Several chats with one evaluation, where they are short. If that fails each is read alone: then only the one whose fault it
   * is fails again. When a message is changed meanwhile the rest is read again: its earlier text must not come after that.
   * @param {Wanted[]} chats
   */
  async function* sweepChats(chats) {
    for (let rest = chats; rest.length > 0; ) {
      const some = rest.slice(0, AT_ONCE);
      const { changes } = relay;
      /** @type {Piece[] | null} */
      let pieces = null;
      try {
        pieces = await pieceOfEach(some.map((wanted) => ({ ...wanted, at: null })));
      } catch (error) {
        if (error instanceof PageSilent) await call(askForChats, namespace); // a page that hangs fails here
      }
      let taken = 0;
      for (const chat of some.slice(0, pieces?.length)) {
        const holds = relay.changes === changes;
        if (taken > 0 && pieces !== null && !holds) break;
        yield { chat, done: await sweepChat(chat, holds ? pieces?.[taken] : undefined) };
        taken += 1;
      }
      rest = rest.slice(taken);
    }
  }

  /**
   * @param {Place[]} places
   * @returns {Promise<Piece[] | null>} of the first of these chats, in turn; null when the page was reloaded
   */
  async function pieceOfEach(places) {
    const limits = { page: PAGE, loadTime, bytes: PIECE, together: TOGETHER };
    return JSON.parse((await call(askForPieces, namespace, places, limits)) ?? 'null');
  }

  /**
   * @param {Wanted} wanted
   * @param {Piece} [first] its first piece, where that has been read
   * @returns {Promise<Done>}
   */
  async function sweepChat(wanted, first) {
    const done = nothingDone();
    const state = { unreadable: 0, doubt: /** @type {string | null} */ (null) };
    let loads = 0;
    try {
      let piece = first;
      /** @type {number | null} */
      let at = null;
      do {
        piece ??= (await pieceOfEach([{ ...wanted, at }]))?.[0];
        if (piece === undefined) {
          done.gone = true;
          throw new PageGone('the page was reloaded');
        }
        const read = piece;
        wire.together(() => take(read, done, state));
        if (piece.loading) loads += 1;
        if (loads > MOST_LOADS) throw new Error('there is too much history to read through');
        at = piece.next;
        piece = undefined;
        await wire.drained();
      } while (at !== null && !stopped);
      if (state.doubt !== null) throw new Error(state.doubt);
      if (state.unreadable > 0) throw new Error(`${state.unreadable} messages could not be read`);
    } catch (error) {
      done.silent = error instanceof PageSilent;
      done.error = error instanceof Error ? error.message : errorText(error);
      done.through = null; // nothing counts as covered
    }
    return done;
  }

  /**
   * @param {Piece} piece
   * @param {Done} done
   * @param {{unreadable: number, doubt: string | null}} state
   */
  function take(piece, done, state) {
    for (const raw of piece.records) {
      if (raw === null) state.unreadable += 1;
      if (raw === null || !relay.message(raw, 'sweep')) continue;
      done.found += 1;
      done.oldest = least(done.oldest, raw.t);
      done.newest = most(done.newest, raw.t);
    }
    for (const raw of piece.changes) relay.change(raw);
    relay.reactions(piece.reactions);
    if (piece.trouble !== null) onTrouble(`reactions could not be read: ${piece.trouble}`);
    if (piece.through !== null) done.through = piece.through;
    if (!piece.loading) done.by = piece.by;
    done.unloaded = piece.unloaded;
    state.doubt ??= piece.doubt;
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

/** @typedef {import('./page/page.js').Page} Page */
// These run in the page, and answer null once it has reloaded.

/** @param {string} namespace */
const askIfDelivering = (namespace) =>
  /** @type {Page} */ (/** @type {any} */ (globalThis))[namespace]?.sweeping?.delivering() ?? null;

/**
 * @param {string} namespace
 * @returns {ReturnType<import('./page/page.js').Sweeping['chats']> | null}
 */
const askForChats = (namespace) =>
  /** @type {Page} */ (/** @type {any} */ (globalThis))[namespace]?.sweeping?.chats() ?? null;

/**
 * @param {string} namespace
 * @param {Place[]} places
 * @param {import('./page/sweep.js').Limits} limits
 * @returns {Promise<string> | null}
 */
const askForPieces = (namespace, places, limits) =>
  /** @type {Page} */ (/** @type {any} */ (globalThis))[namespace]?.sweeping?.read(places, limits) ?? null;

/**
 * @param {string} namespace
 * @param {number} since
 */
const askForVotes = (namespace, since) =>
  /** @type {Page} */ (/** @type {any} */ (globalThis))[namespace]?.sweeping?.votes(since) ?? null;

/** Of one chat. `by`: how it was read. */
function nothingDone() {
  return {
    found: 0,
    through: /** @type {number | null} */ (null),
    oldest: /** @type {number | null} */ (null),
    newest: /** @type {number | null} */ (null),
    by: /** @type {'disk' | 'paging' | null} */ (null),
    error: /** @type {string | null} */ (null),
    gone: false,
    silent: false,
    unloaded: false,
  };
}

/**
 * @param {ListedChat} listed
 * @param {SweepCommand} command
 * @returns {Wanted | null} null for a chat to ignore, or with nothing new
 */
function wantedOf(listed, command) {
  const since = startOf(listed, command);
  if (since === null) return null;
  const depth = Math.min(since, command.changes_from ?? since);
  return listed.t < depth ? null : { chat: listed.chat, since, depth };
}

/**
 * Chats of a person who has several: the page may join them, and then the one that stays has what nobody may have read yet.
 * @param {ListedChat[]} listed
 * @returns {Set<string>}
 */
export function ofOnePerson(listed) {
  const first = new Map();
  const shared = new Set();
  for (const { chat, aliases } of listed) {
    for (const name of [chat, ...aliases]) {
      const other = first.get(name) ?? chat;
      if (other !== chat) shared.add(chat).add(other);
      first.set(name, other);
    }
  }
  return shared;
}

/**
 * Where to start in a chat: its own start, or the common one. A start under another name of its person counts only if it is
 * earlier: the page may have two chats of one person, and of the other one more was read.
 * @param {ListedChat} listed
 * @param {SweepCommand} command
 * @returns {number | null} seconds, null for a chat to ignore
 */
export function startOf({ chat, aliases }, command) {
  const names = [chat, ...aliases];
  if (names.some((name) => command.ignore.includes(name))) return null;
  const start = command.chats[chat] ?? command.from;
  return Math.min(start, ...aliases.map((name) => command.chats[name] ?? start));
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
