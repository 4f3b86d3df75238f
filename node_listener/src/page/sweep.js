// Runs in the page: what a sweep asks it for, above all its chats and their messages, piece by piece (reading.js gathers them).
// Marks nothing as read and creates no chat. Reading the disk asks no server;
// paging back, which is used where the disk cannot be read, puts messages into the page's memory, and then the page itself
// may fetch previews of links and ask which account a contact card belongs to (WAWebMsgCollection, build of 2026-04-27).

import { messageId, widText } from '../message/ids.js';
import { isNumberChange, isWanted, isWantedChat } from '../message/kinds.js';
import { beginReading, gather } from './reading.js';
import { contactFacts, factsOfParties, firstOf, messageRecord, reactionRecords } from './records.js';
import { votesSince } from './votes.js';

/**
 * @typedef {import('./page.js').Page} Page
 * @typedef {import('./page.js').Agent} Agent
 * @typedef {import('./page.js').Sweeping} Sweeping
 * @typedef {import('./page.js').ChatReading} ChatReading
 * @typedef {import('./install.js').PageConfig} PageConfig
 *
 * @typedef {object} Piece some messages of one chat, oldest first, as Node gets them
 * @property {(Record<string, any> | null)[]} records null for one that could not be read
 * @property {Record<string, any>[]} changes messages older than those asked for that were edited or revoked
 * @property {Record<string, any>[]} reactions to any of them
 * @property {number | null} next where the next piece starts, null after the last one
 * @property {number | null} through time of the chat's newest message, in seconds
 * @property {'disk' | 'paging'} by how the chat was read
 * @property {boolean} loading reading is not done yet: ask again for the same piece
 * @property {boolean} unloaded the page has not loaded this chat yet, and it can be read in no other way
 * @property {string | null} doubt why there may be more than was read
 * @property {string | null} trouble why reactions could not be read
 *
 * @typedef {Omit<Piece, 'records' | 'changes'> & {records: string[], changes: string[]}} PieceText the same while the page
 *   makes it: each record is JSON already
 *
 * @typedef {object} Place a chat, and what of it is to be read
 * @property {string} chat its id
 * @property {number} since seconds: messages since then are wanted
 * @property {number} depth seconds, at most `since`: of messages since then edits and revocations are wanted too
 * @property {number | null} at where the piece starts: null for the first, then `next` of the piece before
 *
 * @typedef {object} Limits
 * @property {number} page messages that one read asks for
 * @property {number} loadTime milliseconds that one call may read in one chat
 * @property {number} bytes about how much JSON one piece may hold
 * @property {{bytes: number, time: number}} together after this much JSON, or these milliseconds, a call begins no further chat
 *
 * @typedef {Place & Limits} Want a piece that is asked for
 */

/**
 * Adds to the agent the functions that a sweep calls (`agent.sweeping`), once in each document.
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
    read(places, limits) {
      const readOne = (/** @type {Want} */ want) =>
        readChat(/** @type {Sweeping} */ (agent.sweeping), config.groups, want);
      return readChats(readOne, places, limits);
    },
    votes: (since) => votesSince(since, config.groups),
    listed: new Map(),
    reading: new Map(),
    paged: { works: false, ended: new Set() },
    deliveringSince: null,
  };
  return true;
}

/**
 * For how long the page has been receiving the messages that waited for it at the server, counted from the first call that saw
 * it in this document. Until all have come, an older message may come after a newer one. A build that does not say whether it is
 * receiving has received all of them before it is synced (WAWebOfflineHandler, build of 2026-04-27).
 * @param {Pick<Sweeping, 'deliveringSince'>} sweeping
 * @returns {number | null} milliseconds; null when nothing is being delivered
 */
export function deliveringFor(sweeping) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  const isDeliveryOver = firstOf(() => page.require('WAWebCmd').Cmd.isOfflineDeliveryEnd) !== false;
  if (isDeliveryOver) {
    sweeping.deliveringSince = null;
    return null;
  }
  const now = performance.now(); // unlike Date.now() it is not changed when the clock is set
  sweeping.deliveringSince ??= now;
  return now - sweeping.deliveringSince;
}

/**
 * Lists the chats that are captured, each with the time of its last message and the other ids of its person, and keeps their
 * models in `listed`. A chat of which something besides its id cannot be read is listed without that.
 * @param {Pick<Sweeping, 'listed'>} sweeping
 * @param {boolean} groups whether groups are captured
 * @returns {{total: number, unnamed: number, wanted: import('../sweep.js').ListedChat[]}} total: chats of any kind; unnamed:
 *   chats without an id that can be read, so that nobody knows whether they should have been read
 */
export function listChats({ listed }, groups) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  const chats = page.require('WAWebCollections').Chat.getModelsArray();
  const wanted = [];
  let unnamed = 0;
  // A chat without a time has no message; but in a build whose chats have no time at all, any of them may have new ones.
  const hasTimes = chats.some(({ t }) => t !== undefined);
  const timeIfNone = hasTimes ? 0 : Number.MAX_SAFE_INTEGER;
  listed.clear();
  for (const chat of chats) {
    const id = firstOf(() => widText(chat.id));
    if (id === null) unnamed += 1;
    if (!isWantedChat(id, groups)) continue;
    if (!listed.has(id)) listed.set(id, chat);
    const facts = id.endsWith('@g.us') ? null : firstOf(() => contactFacts(chat.id));
    const aliases = [];
    for (const alias of [facts?.phone, facts?.lid]) if (alias && alias !== id) aliases.push(alias);
    wanted.push({ chat: id, t: chat.t ?? timeIfNone, aliases });
  }
  return { total: chats.length, unnamed, wanted };
}

/**
 * Reads one piece of each of these chats in turn: of the first at least, and of as many as one call has room and time for.
 * Rejects only when the first one fails. The answer is one text, since to pass on objects costs the page several times as much.
 * @param {(want: Want) => Promise<PieceText>} readOne reads a piece of one chat
 * @param {Place[]} places
 * @param {Limits} limits
 * @returns {Promise<string>} JSON of a list of pieces, in the order of the places
 */
export async function readChats(readOne, places, limits) {
  const until = Date.now() + limits.together.time;
  const pieces = [];
  let size = 0;
  for (const place of places) {
    try {
      const { records, changes, ...rest } = await readOne({ ...place, ...limits });
      // joined by hand, since the records are JSON already
      pieces.push(`{"records":[${records}],"changes":[${changes}],${JSON.stringify(rest).slice(1)}`);
    } catch (error) {
      if (pieces.length === 0) throw error;
      break; // the next call begins with this chat, and reports its failure
    }
    size += pieces[pieces.length - 1].length;
    if (size >= limits.together.bytes || Date.now() >= until) break;
  }
  return `[${pieces}]`;
}

/**
 * One piece of a chat: its messages since a time, oldest first, and older ones that changed since an earlier time. The first
 * call for a chat begins to read it; while that takes longer than one call may, the pieces are empty and `loading`. The reading
 * is forgotten with the last piece.
 * @param {Sweeping} sweeping
 * @param {boolean} groups whether groups are captured
 * @param {Want} want
 * @returns {Promise<PieceText>}
 */
export async function readChat({ listed, reading: readings, paged }, groups, want) {
  if (want.at === null) {
    /** @type {Page} */
    const page = /** @type {any} */ (globalThis);
    const chats = page.require('WAWebCollections').Chat.getModelsArray();
    const listedChat = listed.get(want.chat);
    // The page may have replaced the model of this chat since it was listed, and the old one does not get new messages.
    const isCurrent = listedChat !== undefined && chats.includes(listedChat);
    const chat = isCurrent ? listedChat : chats.find((each) => widText(each.id) === want.chat);
    // The chat may be there under another id now, so its messages count as not read.
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

/**
 * A piece without anything. Its `next` asks for the first piece again, of the reading that has begun.
 * @returns {PieceText}
 */
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
 * Chooses, of all that was read, the messages since the time asked for, and older ones that may have changed, in the order of
 * time. Also sets `reading.through`, which counts messages of every kind.
 * @param {ChatReading} reading
 * @param {boolean} groups whether groups are captured
 * @param {Want} want
 * @returns {NonNullable<ChatReading['entries']>}
 */
export function chooseMessages(reading, groups, want) {
  const all = [...reading.known.values()].map((message) => ({
    message,
    t: Number(message.t),
    row: Number(message.rowId ?? Infinity), // the order on disk; what is not there yet came last
  }));
  const newest = all.reduce((most, { t }) => (t > most ? t : most), -Infinity);
  reading.through = Number.isFinite(newest) ? newest : null;
  /** @param {import('./page.js').MessageModel} message */
  const isCaptured = (message) => {
    // isWanted() refuses system messages; this one is captured, so its type is given as that of a text
    const type = isNumberChange(message) ? 'chat' : message.type;
    return isWanted(messageId(message.id), type, groups);
  };
  return all
    .filter(({ message, t }) => t >= want.depth && isCaptured(message))
    .sort((a, b) => a.t - b.t || a.row - b.row)
    .map(({ message, t }) => ({ message, fresh: t >= want.since }));
}

/**
 * The next piece of what was chosen: as many messages as its size allows, from `want.at` on, and the reactions to them. Of an
 * older message only its edit or revocation counts. Never fails for one message: a new one that cannot be read is null in the
 * piece.
 * @param {ChatReading} reading
 * @param {NonNullable<ChatReading['entries']>} entries
 * @param {Want} want
 * @returns {Promise<PieceText>}
 */
export async function nextPiece(reading, entries, want) {
  const { by, unloaded, doubt, through } = reading;
  /** @type {PieceText} */
  const piece = { ...emptyPiece(), by, unloaded, doubt, through };
  const facts = factsOfParties();
  const reactedTo = [];
  let size = 0;
  let next = want.at ?? 0;
  for (; next < entries.length && size < want.bytes; next += 1) {
    const { message, fresh } = entries[next];
    const isRevoked = message.type === 'revoked';
    const hasReaction = message.hasReaction !== undefined && message.hasReaction !== null;
    if (hasReaction && !isRevoked) reactedTo.push(message.id);
    // An older message counts only if it was revoked or edited. A new one is not asked whether it was: a build may throw there.
    if (!fresh && !isRevoked && !message.latestEditSenderTimestampMs) continue;
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
 * The reactions to these messages. They have a table of their own, and those that came before the library attached had no event.
 * @param {unknown[]} keys of messages
 * @returns {Promise<Record<string, any>[]>} in the form of the library's event
 */
export async function reactionsTo(keys) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  const { reactionTableMode } = page.require('WAWebAddonReactionTableMode');
  return reactionRecords(await reactionTableMode.bulkGetByParentMsgKey(keys));
}
