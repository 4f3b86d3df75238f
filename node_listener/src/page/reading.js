// Runs in the page: reads what one chat holds since a time, from the page's memory and from the profile's disk.
//
// Known from WhatsApp Web's own code (build of 2026-04-27; WAWebDBMessageFindLocal, WAWebChatLoadMessages,
// WAWebDBMessageUtils):
// - `msgFindByDirection` reads the disk: {status, messages}, plain records, oldest first; 404 when the anchor is not on disk.
//   It adds nothing to memory and does not wait for the chat to be loaded. So an empty answer with 200 proves the end. But if
//   the first answer is empty and memory has messages of the chat, the disk may have them under another id.
// - `loadEarlierMsgs` loads earlier messages into memory ("paging back") and answers with them. After an error it answers `[]`.
//   An answer with fewer messages than usual, also `[]`, sets the mark `noEarlierMsgs`; from then on it answers `undefined`. So
//   neither an empty answer nor the mark proves the end: only an answer with messages that sets the mark does.
// - The disk is in the order of arrival, so a message with an old time may come after newer ones. So reading ends only when all
//   messages of an answer are older than asked for.
// A build that cannot read the disk and sets no mark shows the end by nothing but an empty answer. That is believed once paging
// back has brought a message since the page was loaded: before that, nothing shows that it works at all.

import { messageId } from '../message/ids.js';
import { isSystemType } from '../message/kinds.js';
import { firstOf } from './records.js';

/**
 * @typedef {import('./page.js').Page} Page
 * @typedef {import('./page.js').ChatModel} ChatModel
 * @typedef {import('./page.js').MessageModel} MessageModel
 * @typedef {import('./page.js').ChatReading} ChatReading
 * @typedef {{depth: number, page: number, loadTime: number}} Depth depth: seconds, how far back to read; page: messages to ask
 *   for at once; loadTime: milliseconds for one call
 */

/**
 * The state of a reading that starts now, with what memory holds of the chat.
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
 * A text that is the same for a model and for a record from disk of the same message.
 * @param {MessageModel} message
 */
export function keyOf(message) {
  const id = messageId(message.id);
  return `${id?.fromMe} ${id?.remote} ${id?.id} ${id?.participant}`;
}

/**
 * Goes on reading until `depth` or the end is reached (`reading.done`), or the time of one call is over: then another call goes
 * on. Reads the disk; once that fails, pages back.
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
 * Goes on reading from disk. Throws where the disk cannot be read, or its answers cannot be trusted.
 * @param {ChatReading} reading
 * @param {Depth} want
 * @param {number} until milliseconds since 1970
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
    const answer = await answerInTime(
      find({ anchor: reading.anchor, count: want.page, direction: 'before' }),
      reading,
      until,
    );
    if (answer === null) return;
    if (answer.value?.status !== 200) throw new Error('the disk could not be read');
    const { messages } = answer.value;
    const isDiskEmpty = messages.length === 0 && reading.onDisk.size === 0;
    if (isDiskEmpty && [...reading.known.values()].some(wasStored)) {
      throw new Error('the disk has nothing of a chat of which memory has what was stored');
    }
    const before = reading.onDisk.size;
    for (const message of messages) {
      const key = keyOf(message);
      reading.onDisk.add(key);
      if (!reading.known.has(key)) reading.known.set(key, message);
    }
    if (messages.length > 0 && reading.onDisk.size === before) throw new Error('the same page came twice');
    // true for an empty answer too, which is the end
    reading.done = messages.every((/** @type {MessageModel} */ message) => Number(message.t) < want.depth);
    reading.anchor = messages[0]?.id;
  }
}

/**
 * Whether a message in the page's memory must be on its disk as well. System messages may exist in memory only, and a message
 * that has just come is stored later.
 * @param {MessageModel} message
 */
export function wasStored(message) {
  return message.isNewMsg !== true && !isSystemType(message.type);
}

/**
 * Goes on reading by letting the page load earlier messages into its memory. Never fails: what goes wrong ends the reading with a
 * doubt.
 * @param {ChatReading} reading
 * @param {Depth} want
 * @param {number} until milliseconds since 1970
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
    const olderCount = [...known.values()].filter(older).length;
    if (olderCount >= want.page) {
      // memory already has as many older messages as one answer would bring
      reading.done = true;
      return;
    }
    if (load === null) return doubt('this build of WhatsApp Web does not load earlier messages');
    const answer = await answerInTime(load({ chat }), reading, until).catch(() => undefined);
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
    // What proves the end, and what does not, is explained at the top of this file.
    const isEmpty = loaded.length === 0;
    const isMarked = chat.msgs.msgLoadState?.noEarlierMsgs === true;
    if (!isEmpty) paged.works = true;
    if (!isEmpty && isMarked) paged.ended.add(chat);
    const isEndProved = paged.ended.has(chat) && (isMarked || isEmpty);
    const isEndBelieved = isEmpty && !isMarked && !reading.readsDisk && paged.works;
    const isDeepEnough = !isEmpty && loaded.every(older);
    if (isEndProved || isEndBelieved || isDeepEnough) reading.done = true;
    else if (known.size === before) return doubt('the page did not load earlier messages');
  }

  /** Ends the reading, though there may be more. @param {string} why */
  function doubt(why) {
    Object.assign(reading, { done: true, doubt: why });
  }
}

/**
 * The value of a promise, if it comes in time; rejects as the promise does. `reading.silent` counts the calls in a row without an
 * answer: from the third on this throws, if it is the disk that is read.
 * @param {Promise<any>} promise
 * @param {ChatReading} reading
 * @param {number} until milliseconds since 1970
 * @returns {Promise<{value: any} | null>} null when the time is over
 */
export async function answerInTime(promise, reading, until) {
  /** @type {Promise<null>} */
  const late = new Promise((resolve) => setTimeout(() => resolve(null), Math.max(0, until - Date.now())));
  const answer = await Promise.race([promise.then((value) => ({ value })), late]);
  reading.silent = answer === null ? reading.silent + 1 : 0;
  if (reading.silent >= 3 && reading.by === 'disk') throw new Error('the disk does not answer');
  return answer;
}
