// The sweep, a backfill from the page's store: reads it chat by chat and puts on the wire what is newer than what the daemon
// has. The library has no such thing; its events cover only what is added after it attached. One sweep runs at a time. How
// a chat is read in the page is in page/sweep.js and page/reading.js.
import { setTimeout as sleep } from 'node:timers/promises';
import { pageSources } from './page/install.js';
import { PageSilent } from './page-calls.js';
import { errorText } from './stderr.js';

/** About how much one evaluation may return, in characters of JSON. */
const PIECE = 1_000_000;
/** How many chats one evaluation is asked for: asking costs more than reading a short chat. */
const CHATS_AT_ONCE = 25;
/** One evaluation begins no further chat after so many characters of JSON, or milliseconds: more would only wait in memory. */
const TOGETHER = { bytes: 100_000, time: 200 };
/** How many evaluations, each of `loadTime`, may be spent on reading one chat before it is given up. */
const MOST_LOADS = 100;
/** Messages that one read of the disk asks for: as many as the page itself does (WAWebCollectionConstants). */
const PAGE = 50;
/**
 * Milliseconds after which the delivery of messages that waited at the server counts as ended: the page itself does not wait
 * longer for its end (WAWebEventsWaitForOfflineDeliveryEnd).
 */
const LONGEST_DELIVERY = 300_000;

/**
 * @typedef {import('./commands.js').SweepCommand} SweepCommand
 * @typedef {import('./page/sweep.js').Piece} Piece
 * @typedef {{chat: string, t: number, aliases: string[]}} ListedChat t: seconds, of its last message; aliases: other ids of its
 *   person
 * @typedef {import('./page/sweep.js').Place} Place
 * @typedef {Omit<Place, 'at'>} Wanted a chat to read, and how far back
 * @typedef {ReturnType<typeof newResult>} ChatResult
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
 * @param {() => boolean} parts.ready whether live messages arrive. If they do not, a message that comes after the sweep is missed
 * @param {number} parts.loadTime milliseconds the page may read in one evaluation
 * @param {number} parts.patience milliseconds to wait for a delivery that still goes on, or for chats that the page has not
 *   loaded
 * @param {(message: string) => void} parts.onTrouble reports what failed without costing a message
 */
export function createSweeper({ wire, call, config, relay, ready, loadTime, patience, onTrouble }) {
  const { sweeping } = pageSources(config);
  const { namespace } = config;
  /** @type {Promise<void>} */
  let lastSweep = Promise.resolve();
  let stopped = false;

  /**
   * Sweeps the chats of the page: `sweep_chat` after each, `sweep_done` at the end. Never fails: a failure of one chat is in
   * its line, and what ends the sweep is in the last one. Chats that the page has not loaded yet are read again until
   * `patience` is over.
   * @param {SweepCommand} command
   */
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
      const isDelivering = await waitForDeliveryEnd();
      total.started_at = Date.now();
      const listed = await call(askForChats, namespace);
      if (listed === null) throw new PageGone('the page was reloaded');
      total.chats = listed.total;
      const sharedChats = ofOnePerson(listed.wanted);
      const until = Date.now() + patience;
      let rest = listed.wanted.flatMap((chat) => wantedOf(chat, command) ?? []);
      // each round reads what is left; chats that the page has not loaded go into the next
      while (rest.length > 0) {
        const unloaded = [];
        const mayWait = Date.now() < until;
        for await (const { chat, result } of sweepChats(rest)) {
          if (stopped) throw new Error('the listener is stopping');
          if (result.unloaded && mayWait) unloaded.push(chat);
          else report(chat, result, isDelivering || sharedChats.has(chat.chat));
          if (result.gone) throw new PageGone('the page was reloaded');
          // The page did not answer for this chat. If it answers this, go on; if it hangs, fail here and not for every chat.
          if (result.silent) await call(askForChats, namespace);
        }
        if (unloaded.length > 0) await sleep(500);
        rest = unloaded;
      }
      await sweepVotes(listed.wanted, command);
      if (listed.unnamed > 0) throw new Error('the page has chats without an id that can be read');
      if (isDelivering) throw new Error('the page is still receiving what waited at the server');
    } catch (error) {
      total.error = error instanceof Error ? error.message : errorText(error);
    }
    if (!stopped) wire.send('sweep_done', total);

    /**
     * Adds a chat to the totals and sends its line.
     * @param {Wanted} wanted
     * @param {ChatResult} result
     * @param {boolean} mayGrow older messages may still come into this chat, so nothing of it counts as covered
     */
    function report({ chat }, result, mayGrow) {
      total.looked_at += 1;
      total.messages += result.found;
      if (result.error !== null) total.failed += 1;
      if (result.unloaded) total.unloaded += 1;
      else if (result.by !== null) total.read_by = total.read_by === 'paging' ? 'paging' : result.by;
      total.oldest = least(total.oldest, result.oldest);
      total.newest = most(total.newest, result.newest);
      const { found, error } = result;
      const through = mayGrow ? null : result.through;
      wire.send('sweep_chat', { sweep: command.sweep, chat, found, through, error });
    }
  }

  /**
   * Puts votes on the wire. The page has one table for all chats, so it is read since the earliest start of any chat, and then
   * each vote is compared with the start of its own chat. No message depends on this, so a failure is only reported.
   * @param {ListedChat[]} listed
   * @param {SweepCommand} command
   */
  async function sweepVotes(listed, command) {
    /** @type {Map<string, number>} chat, by each of its ids -> seconds since when votes count */
    const depths = new Map();
    for (const chat of listed) {
      const since = startOf(chat, command);
      if (since === null) continue;
      for (const name of [chat.chat, ...chat.aliases]) depths.set(name, depthFrom(since, command));
    }
    if (depths.size === 0) return;
    try {
      const votes = await call(askForVotes, namespace, Math.min(...depths.values()));
      for (const vote of votes ?? []) {
        const depth = depths.get(vote.id.remote);
        if (depth !== undefined && vote.t >= depth) relay.message(vote, 'sweep');
      }
    } catch (error) {
      onTrouble(`votes could not be read: ${errorText(error)}`);
    }
  }

  /**
   * Waits, for `patience` at most, until the page has received the messages that waited for it at the server.
   * @returns {Promise<boolean>} whether it is still receiving them; false also when the sweep is stopped
   */
  async function waitForDeliveryEnd() {
    const until = Date.now() + patience;
    while (!stopped) {
      const deliveredFor = await call(askIfDelivering, namespace);
      if (deliveredFor === null || deliveredFor > LONGEST_DELIVERY) return false;
      if (Date.now() > until) return true;
      await sleep(500);
    }
    return false;
  }

  /**
   * Reads chats in turn and yields the result of each. Short ones are read several with one evaluation. If that fails each is
   * read alone: then only the one whose fault it is fails again. When a message is edited or revoked meanwhile, what was read
   * before and is not on the wire yet is read again: the earlier text must not follow the event.
   * @param {Wanted[]} chats
   */
  async function* sweepChats(chats) {
    let rest = chats;
    while (rest.length > 0) {
      const some = rest.slice(0, CHATS_AT_ONCE);
      const changesBefore = relay.changes;
      /** @type {Piece[] | null} */
      let pieces = null;
      try {
        pieces = await pieceOfEach(some.map((wanted) => ({ ...wanted, at: null })));
      } catch (error) {
        if (error instanceof PageSilent) await call(askForChats, namespace); // a page that hangs fails here
      }
      let swept = 0;
      // the page may have read fewer than it was asked for; without an answer each of them is read alone
      for (const chat of some.slice(0, pieces?.length)) {
        const isCurrent = relay.changes === changesBefore;
        if (swept > 0 && pieces !== null && !isCurrent) break; // the rest is asked for again, several at once
        yield { chat, result: await sweepChat(chat, isCurrent ? pieces?.[swept] : undefined) };
        swept += 1;
      }
      rest = rest.slice(swept);
    }
  }

  /**
   * Asks the page for one piece of each of these chats, with one evaluation.
   * @param {Place[]} places
   * @returns {Promise<Piece[] | null>} pieces of the first of them, at least one, in the same order; null when the page was
   *   reloaded
   */
  async function pieceOfEach(places) {
    const limits = { page: PAGE, loadTime, bytes: PIECE, together: TOGETHER };
    return JSON.parse((await call(askForPieces, namespace, places, limits)) ?? 'null');
  }

  /**
   * Reads a chat piece by piece and puts each on the wire before it asks for the next. Never fails: a failure is in the result.
   * @param {Wanted} wanted
   * @param {Piece} [first] its first piece, where that has been read already
   * @returns {Promise<ChatResult>}
   */
  async function sweepChat(wanted, first) {
    const result = newResult();
    const problems = { unreadable: 0, doubt: /** @type {string | null} */ (null) };
    let loads = 0;
    try {
      let piece = first;
      /** @type {number | null} */
      let at = null;
      do {
        piece ??= (await pieceOfEach([{ ...wanted, at }]))?.[0];
        if (piece === undefined) {
          result.gone = true;
          throw new PageGone('the page was reloaded');
        }
        const read = piece;
        wire.together(() => relayPiece(read, result, problems));
        if (piece.loading) loads += 1;
        if (loads > MOST_LOADS) throw new Error('there is too much history to read through');
        at = piece.next;
        piece = undefined;
        await wire.drained();
      } while (at !== null && !stopped);
      if (problems.doubt !== null) throw new Error(problems.doubt);
      if (problems.unreadable > 0) throw new Error(`${problems.unreadable} messages could not be read`);
    } catch (error) {
      result.silent = error instanceof PageSilent;
      result.error = error instanceof Error ? error.message : errorText(error);
      result.through = null; // nothing counts as covered
    }
    return result;
  }

  /**
   * Puts a piece on the wire and adds it to the result of its chat.
   * @param {Piece} piece
   * @param {ChatResult} result
   * @param {{unreadable: number, doubt: string | null}} problems why the chat is not covered, though its pieces are on the wire
   */
  function relayPiece(piece, result, problems) {
    for (const raw of piece.records) {
      if (raw === null) {
        problems.unreadable += 1;
        continue;
      }
      if (!relay.message(raw, 'sweep')) continue;
      result.found += 1;
      result.oldest = least(result.oldest, raw.t);
      result.newest = most(result.newest, raw.t);
    }
    for (const raw of piece.changes) relay.change(raw);
    relay.reactions(piece.reactions);
    if (piece.trouble !== null) onTrouble(`reactions could not be read: ${piece.trouble}`);
    if (piece.through !== null) result.through = piece.through;
    if (!piece.loading) result.by = piece.by;
    result.unloaded = piece.unloaded;
    problems.doubt ??= piece.doubt;
  }

  return {
    /** Sweeps once those asked for before have ended. @param {SweepCommand} command */
    run(command) {
      lastSweep = lastSweep.then(() => sweep(command));
      return lastSweep;
    },
    /** Ends a sweep that runs, without its `sweep_done`. */
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
 * @param {number} since seconds
 */
const askForVotes = (namespace, since) =>
  /** @type {Page} */ (/** @type {any} */ (globalThis))[namespace]?.sweeping?.votes(since) ?? null;

/** The result of a chat of which nothing has been read yet. Times are seconds. */
function newResult() {
  return {
    /** messages put on the wire */
    found: 0,
    /** time of the chat's newest message: all up to then is on the wire. Null when that is not certain */
    through: /** @type {number | null} */ (null),
    oldest: /** @type {number | null} */ (null),
    newest: /** @type {number | null} */ (null),
    /** how it was read */
    by: /** @type {'disk' | 'paging' | null} */ (null),
    error: /** @type {string | null} */ (null),
    /** the page was reloaded */
    gone: false,
    /** the page did not answer */
    silent: false,
    /** the page has not loaded this chat yet, and it can be read in no other way */
    unloaded: false,
  };
}

/**
 * What a sweep reads of a chat.
 * @param {ListedChat} listed
 * @param {SweepCommand} command
 * @returns {Wanted | null} null for a chat to ignore, or with nothing new
 */
function wantedOf(listed, command) {
  const since = startOf(listed, command);
  if (since === null) return null;
  const depth = depthFrom(since, command);
  return listed.t < depth ? null : { chat: listed.chat, since, depth };
}

/**
 * How far back a chat is read: to its start, or further where a change of an older message is wanted too.
 * @param {number} since seconds
 * @param {SweepCommand} command
 */
function depthFrom(since, command) {
  return Math.min(since, command.changes_from ?? since);
}

/**
 * The chats whose person has another chat as well. The page may join the two: the one that stays then also has messages of the
 * other, which may be older than what is known of it. So neither may count as covered.
 * @param {ListedChat[]} listed
 * @returns {Set<string>} their ids
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
 * Where to start in a chat: its own start, or the common one. The start of another id of its person counts only if it is earlier.
 * A later one may be that of a second chat of this person, of which more has been read.
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
 * The smaller of two numbers; null counts as none.
 * @param {number | null} a
 * @param {number | null} b
 */
function least(a, b) {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/**
 * The larger of two numbers; null counts as none.
 * @param {number | null} a
 * @param {number | null} b
 */
function most(a, b) {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
