// Runs in the page: gathers what one chat holds since a time, from its memory and from the profile's disk.
//
// Known from WhatsApp Web's own code (build of 2026-04-27; WAWebDBMessageFindLocal, WAWebChatLoadMessages,
// WAWebDBMessageUtils):
// - `msgFindByDirection` reads the disk: {status, messages}, plain records, oldest first; 404 when the anchor is not on disk.
//   It adds nothing to memory and does not wait for the chat to be loaded. So an empty answer with 200 proves the end, but
//   not where it is the only one, of a chat that has messages: the disk may have those under another id.
// - `loadEarlierMsgs` answers `[]` after an error, and like any page that is not full this sets `noEarlierMsgs`; from then on
//   the answer is `undefined`. So neither an empty answer nor the mark proves the end: only a page with messages that sets
//   the mark does.
// - The disk is in the order of arrival, so a message with an old time may lie above newer ones. Only a whole page of older
//   ones ends the reading.
// A build that cannot read the disk and sets no mark has no other sign of the end than an empty answer. It counts where
// paging back has brought a message since the page was loaded: before that, nothing shows that it works at all.

import { messageId } from '../message/ids.js';
import { isSystemType } from '../message/kinds.js';
import { firstOf } from './records.js';

/**
 * @typedef {import('./page.js').Page} Page
 * @typedef {import('./page.js').ChatModel} ChatModel
 * @typedef {import('./page.js').MessageModel} MessageModel
 * @typedef {import('./page.js').ChatReading} ChatReading
 * @typedef {{depth: number, page: number, loadTime: number}} Depth seconds; messages; milliseconds for one call
 */

/**
 * @param {ChatModel} chat
 * @param {ChatReading['paged']} paged what paging back has shown since the page was loaded
 * @returns {ChatReading}
 */
export function beginReading(chat, paged) {
  return {
    chat,
    paged,
    known: new Map(chat.msgs.getModelsArray().map((message) => [keyOf(message), message])),
    onDisk: new Set(),
    by: 'disk',
    readsDisk: true,
    anchor: { remote: chat.id },
    silent: 0,
    done: false,
    unloaded: false,
    doubt: null,
    entries: null,
    through: null,
  };
}

/**
 * The same for a model and for a record of the same message.
 * @param {MessageModel} message
 */
export function keyOf(message) {
  const id = messageId(message.id);
  return `${id?.fromMe} ${id?.remote} ${id?.id} ${id?.participant}`;
}

/**
 * Goes on reading until `depth` is reached, or the end, or the time of one call is over (then it is not `done`).
 * @param {ChatReading} reading
 * @param {Depth} want
 */
export async function gather(reading, want) {
  const until = Date.now() + want.loadTime;
  if (reading.by === 'disk') {
    try {
      await readDisk(reading, want, until);
    } catch {
      // No such function, another answer than 200, or no answer. Paging back may still work.
      Object.assign(reading, { by: 'paging', silent: 0 });
    }
  }
  if (reading.by === 'paging') await pageBack(reading, want, until);
}

/**
 * @param {ChatReading} reading
 * @param {Depth} want
 * @param {number} until
 */
export async function readDisk(reading, want, until) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  const find = firstOf(
    () => page.require('WAWebDBMessageFindLocal').msgFindByDirection,
    () => page.require('WAWebDBMessageFindLocal').msgFindBefore,
  );
  reading.readsDisk = find !== null;
  if (find === null) throw new Error('this build does not read the disk');
  while (!reading.done && Date.now() < until) {
    const answer = await answered(
      find({ anchor: reading.anchor, count: want.page, direction: 'before' }),
      reading,
      until,
    );
    if (answer === null) return;
    if (answer.value?.status !== 200) throw new Error('the disk could not be read');
    const { messages } = answer.value;
    if (messages.length === 0 && reading.onDisk.size === 0 && [...reading.known.values()].some(wasStored)) {
      throw new Error('the disk has nothing of a chat of which memory has what was stored');
    }
    const before = reading.onDisk.size;
    for (const message of messages) {
      const key = keyOf(message);
      reading.onDisk.add(key);
      if (!reading.known.has(key)) reading.known.set(key, message);
    }
    if (messages.length > 0 && reading.onDisk.size === before) throw new Error('the same page came twice');
    reading.done = messages.every((/** @type {MessageModel} */ message) => Number(message.t) < want.depth);
    reading.anchor = messages[0]?.id;
  }
}

/**
 * Whether a message of the page's memory must be on its disk. System messages may be made there, and what has just come is
 * stored after that.
 * @param {MessageModel} message
 */
export function wasStored(message) {
  return message.isNewMsg !== true && !isSystemType(message.type);
}

/**
 * @param {ChatReading} reading
 * @param {Depth} want
 * @param {number} until
 */
export async function pageBack(reading, want, until) {
  const { chat, known, paged } = reading;
  if (chat.pendingInitialLoading) {
    // Paging back would wait, without a limit, until the page has loaded it.
    Object.assign(reading, { done: true, unloaded: true, doubt: 'the page has not loaded this chat yet' });
    return;
  }
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  const load = firstOf(() => page.require('WAWebChatLoadMessages').loadEarlierMsgs);
  /** @param {MessageModel} message */
  const older = (message) => Number(message.t) < want.depth;
  while (!reading.done && Date.now() < until) {
    if ([...known.values()].filter(older).length >= want.page) {
      reading.done = true;
      return;
    }
    if (load === null) return doubt('this build of WhatsApp Web does not load earlier messages');
    const answer = await answered(load({ chat }), reading, until).catch(() => undefined);
    if (answer === undefined) return doubt('the page failed to load earlier messages');
    if (answer === null) {
      if (reading.silent >= 3) doubt('the page does not load earlier messages');
      return;
    }
    const loaded = answer.value ?? [];
    const before = known.size;
    for (const message of [...loaded, ...chat.msgs.getModelsArray()]) {
      known.set(keyOf(message), message);
    }
    const marked = chat.msgs.msgLoadState?.noEarlierMsgs === true;
    if (loaded.length > 0) paged.works = true;
    if (loaded.length > 0 && marked) paged.ended.add(chat);
    if (paged.ended.has(chat) && (marked || loaded.length === 0)) reading.done = true;
    else if (loaded.length === 0 && !marked && !reading.readsDisk && paged.works) reading.done = true;
    else if (loaded.length > 0 && loaded.every(older)) reading.done = true;
    else if (known.size === before) return doubt('the page did not load earlier messages');
  }

  /** @param {string} why */
  function doubt(why) {
    Object.assign(reading, { done: true, doubt: why });
  }
}

/**
 * @param {Promise<any>} promise
 * @param {ChatReading} reading `silent` counts the calls that came to their end without an answer
 * @param {number} until
 * @returns {Promise<{value: any} | null>} null when the time is over
 */
export async function answered(promise, reading, until) {
  /** @type {Promise<null>} */
  const late = new Promise((resolve) => setTimeout(() => resolve(null), Math.max(0, until - Date.now())));
  const answer = await Promise.race([promise.then((value) => ({ value })), late]);
  reading.silent = answer === null ? reading.silent + 1 : 0;
  if (reading.silent >= 3 && reading.by === 'disk') throw new Error('the disk does not answer');
  return answer;
}
