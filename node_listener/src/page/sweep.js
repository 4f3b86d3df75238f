// Runs in the page: reads its store, chat by chat. Marks nothing read and creates no chat. Reading the disk asks no server;
// paging back, which is used where the disk cannot be read, puts messages into the page's memory, and then the page itself
// may fetch previews of links and ask which account a contact card belongs to (WAWebMsgCollection, build of 2026-04-27).

import { messageId, widText } from '../message/ids.js';
import { isNumberChange, isWanted, isWantedChat } from '../message/kinds.js';
import { beginReading, gather } from './reading.js';
import { contactFacts, factsOnce, firstOf, messageRecord, reactionRecords } from './records.js';
import { votesSince } from './votes.js';

/**
 * @typedef {import('./page.js').Page} Page
 * @typedef {import('./page.js').Agent} Agent
 * @typedef {import('./page.js').Sweeping} Sweeping
 * @typedef {import('./page.js').ChatReading} ChatReading
 * @typedef {import('./install.js').PageConfig} PageConfig
 *
 * @typedef {object} Piece some messages of one chat, oldest first
 * @property {(Record<string, any> | null)[]} records null for one that could not be read
 * @property {Record<string, any>[]} changes messages older than those asked for that were edited or revoked
 * @property {Record<string, any>[]} reactions to any of them
 * @property {number | null} next where the next piece starts, null after the last one
 * @property {number | null} through time of the chat's newest message
 * @property {'disk' | 'paging'} by
 * @property {boolean} loading reading is not done yet: ask again for the same piece
 * @property {boolean} unloaded the page has not loaded this chat yet, and it can be read in no other way
 * @property {string | null} doubt why there may be more than was read
 * @property {string | null} trouble why reactions could not be read
 *
 * @typedef {Omit<Piece, 'records' | 'changes'> & {records: string[], changes: string[]}} PieceText the same while the page
 *   makes it: each record is JSON already
 *
 * @typedef {object} Place
 * @property {string} chat
 * @property {number} since seconds
 * @property {number} depth seconds: changes since then are wanted too; at most `since`
 * @property {number | null} at where the piece starts: null for the first, then `next` of the piece before
 *
 * @typedef {object} Limits
 * @property {number} page messages that one read asks for
 * @property {number} loadTime milliseconds to read of one chat in one call
 * @property {number} bytes about how much JSON one piece may hold
 * @property {{bytes: number, time: number}} together about how much JSON, and after how many milliseconds, one call begins no
 *   further chat
 *
 * @typedef {Place & Limits} Want
 */

/**
 * Puts what a sweep asks for where its evaluations find it.
 * @param {PageConfig} config
 * @returns {boolean} false: the page has reloaded, and nothing is prepared there yet
 */
export function prepareSweeping(config) {
  /** @type {Agent | undefined} */
  const agent = /** @type {any} */ (globalThis)[config.namespace];
  if (!agent?.messageRecord) return false;
  agent.sweeping ??= {
    delivering: () => deliveringFor(/** @type {Sweeping} */ (agent.sweeping)),
    chats: () => listChats(/** @type {Sweeping} */ (agent.sweeping), config.groups),
    read: (places, limits) =>
      readChats(
        (want) => readChat(/** @type {Sweeping} */ (agent.sweeping), config.groups, want),
        places,
        limits,
      ),
    votes: (since) => votesSince(since, config.groups),
    listed: new Map(),
    reading: new Map(),
    paged: { works: false, ended: new Set() },
    deliveringSince: null,
  };
  return true;
}

/**
 * For how long what waited at the server has been delivered, in this document, as far as sweeps have seen: until that ends
 * older messages may come after newer ones. A build that does not say so delivers before it is synced (WAWebOfflineHandler,
 * build of 2026-04-27).
 * @param {Pick<Sweeping, 'deliveringSince'>} sweeping
 * @returns {number | null} milliseconds; null when nothing is being delivered
 */
export function deliveringFor(sweeping) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  if (firstOf(() => page.require('WAWebCmd').Cmd.isOfflineDeliveryEnd) !== false) {
    sweeping.deliveringSince = null;
    return null;
  }
  const now = performance.now(); // no clock that may jump
  sweeping.deliveringSince ??= now;
  return now - sweeping.deliveringSince;
}

/**
 * The chats, each with the time of its last message and the other id it may be known by. What else cannot be read of a chat
 * is no reason to leave it out. `unnamed`: how many have no id that can be read, so that nobody knows what they are.
 * @param {Pick<Sweeping, 'listed'>} sweeping
 * @param {boolean} groups
 * @returns {{total: number, unnamed: number, wanted: import('../sweep.js').ListedChat[]}}
 */
export function listChats({ listed }, groups) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  const chats = page.require('WAWebCollections').Chat.getModelsArray();
  const wanted = [];
  let unnamed = 0;
  // Without a time a chat has no message, unless this build tells none of any chat.
  const unknown = chats.some(({ t }) => t !== undefined) ? 0 : Number.MAX_SAFE_INTEGER;
  listed.clear();
  for (const chat of chats) {
    const id = firstOf(() => widText(chat.id));
    if (id === null) unnamed += 1;
    if (!isWantedChat(id, groups)) continue;
    if (!listed.has(id)) listed.set(id, chat);
    const facts = id.endsWith('@g.us') ? null : firstOf(() => contactFacts(chat.id));
    const aliases = [facts?.phone, facts?.lid].flatMap((alias) => (alias && alias !== id ? [alias] : []));
    wanted.push({ chat: id, t: chat.t ?? unknown, aliases });
  }
  return { total: chats.length, unnamed, wanted };
}

/**
 * A piece of each of these chats, one chat after another, from the first one on: of one at least, and of as many as one call
 * has room and time for. All of it is one text, since to hand over objects costs the page several times as much.
 * @param {(want: Want) => Promise<PieceText>} readOne
 * @param {Place[]} places
 * @param {Limits} limits
 * @returns {Promise<string>} JSON of a list of pieces
 */
export async function readChats(readOne, places, limits) {
  const until = Date.now() + limits.together.time;
  const pieces = [];
  let size = 0;
  for (const place of places) {
    try {
      const { records, changes, ...rest } = await readOne({ ...place, ...limits });
      pieces.push(`{"records":[${records}],"changes":[${changes}],${JSON.stringify(rest).slice(1)}`);
    } catch (error) {
      if (pieces.length === 0) throw error;
      break; // whoever asks for this chat first hears of it
    }
    size += pieces[pieces.length - 1].length;
    if (size >= limits.together.bytes || Date.now() >= until) break;
  }
  return `[${pieces}]`;
}

/**
 * Messages of one chat since a time, oldest first, in pieces, with what changed since an earlier time.
 * @param {Sweeping} sweeping
 * @param {boolean} groups
 * @param {Want} want
 * @returns {Promise<PieceText>}
 */
export async function readChat({ listed, reading: readings, paged }, groups, want) {
  if (want.at === null) {
    /** @type {Page} */
    const page = /** @type {any} */ (globalThis);
    const chats = page.require('WAWebCollections').Chat.getModelsArray();
    const known = listed.get(want.chat);
    // The page may have put another model in its place since, and what that has is not in this one.
    const chat =
      known && chats.includes(known) ? known : chats.find((each) => widText(each.id) === want.chat);
    // It may be there under another id now, and then what it has was not read.
    if (!chat) return { ...emptyPiece(), next: null, doubt: 'the page no longer has this chat' };
    readings.set(want.chat, beginReading(chat, paged));
  }
  const reading = readings.get(want.chat);
  if (!reading) throw new Error('nothing of this chat has been read');
  if (!reading.done) await gather(reading, want);
  if (!reading.done) return { ...emptyPiece(), loading: true };
  reading.entries ??= chooseMessages(reading, groups, want);
  const piece = await nextPiece(reading, reading.entries, want);
  if (piece.next === null) readings.delete(want.chat);
  return piece;
}

/** @returns {PieceText} */
export function emptyPiece() {
  return {
    records: [],
    changes: [],
    reactions: [],
    next: 0,
    through: null,
    by: 'disk',
    loading: false,
    unloaded: false,
    doubt: null,
    trouble: null,
  };
}

/**
 * Of all that was read: the messages since the time asked for, and older ones that may have changed.
 * @param {ChatReading} reading
 * @param {boolean} groups
 * @param {Want} want
 */
export function chooseMessages(reading, groups, want) {
  const all = [...reading.known.values()].map((message) => ({
    message,
    t: Number(message.t),
    row: Number(message.rowId ?? Infinity), // what is not on disk yet came last
  }));
  const newest = all.reduce((most, { t }) => (t > most ? t : most), -Infinity);
  reading.through = Number.isFinite(newest) ? newest : null;
  /** @param {import('./page.js').MessageModel} message */
  const wanted = (message) =>
    isWanted(messageId(message.id), isNumberChange(message) ? 'chat' : message.type, groups);
  return all
    .filter(({ message, t }) => t >= want.depth && wanted(message))
    .sort((a, b) => a.t - b.t || a.row - b.row)
    .map(({ message, t }) => ({ message, fresh: t >= want.since }));
}

/**
 * @param {ChatReading} reading
 * @param {NonNullable<ChatReading['entries']>} entries
 * @param {Want} want
 * @returns {Promise<PieceText>}
 */
export async function nextPiece(reading, entries, want) {
  const { by, unloaded, doubt, through } = reading;
  /** @type {PieceText} */
  const piece = { ...emptyPiece(), by, unloaded, doubt, through };
  const facts = factsOnce();
  const reactedTo = [];
  let size = 0;
  let next = want.at ?? 0;
  for (; next < entries.length && size < want.bytes; next += 1) {
    const { message, fresh } = entries[next];
    const revoked = message.type === 'revoked';
    if (message.hasReaction !== undefined && message.hasReaction !== null && !revoked) {
      reactedTo.push(message.id);
    }
    if (!fresh && !revoked && !message.latestEditSenderTimestampMs) continue;
    try {
      const record = JSON.stringify(messageRecord(message, undefined, facts));
      (fresh ? piece.records : piece.changes).push(record);
      size += record.length;
    } catch {
      if (fresh) piece.records.push('null');
    }
  }
  piece.next = next < entries.length ? next : null;
  if (reactedTo.length > 0) {
    try {
      piece.reactions = await reactionsTo(reactedTo);
    } catch (error) {
      piece.trouble = String(error).slice(0, 200);
    }
  }
  return piece;
}

/**
 * Reactions have a table of their own, and those that came before the library attached have no event.
 * @param {unknown[]} keys of messages
 * @returns {Promise<Record<string, any>[]>} in the form of the library's event
 */
export async function reactionsTo(keys) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  const { reactionTableMode } = page.require('WAWebAddonReactionTableMode');
  return reactionRecords(await reactionTableMode.bulkGetByParentMsgKey(keys));
}
