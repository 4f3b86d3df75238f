// Processes what the server sends, in strict order, in one of three ways.
//
// live: stored in IndexedDB (committed), THEN acknowledged, THEN added to memory and emitted. A browser killed between any
// two steps loses nothing and duplicates nothing. A test can hold the page between them (`stored` and `acknowledged`).
// silent: the same, but nothing is added: the page has not restored its chats yet.
// add_first: added and emitted at once, stored and acknowledged in batches: what a nonblocking resume does until what waited
// at the server has come. A browser killed before a batch is stored gets its messages again.

import { shownCall } from './calls.js';
import { config } from './config.js';
import { keyText } from './ids.js';
import { report } from './report.js';
import { write } from './storage.js';
import { lookUp, makeRecord, putRecord, STORING, showNew } from './storing.js';
import { arriving, chatsFollowed, logged } from './world.js';

const BATCH = 250;
/** Rows that a nonblocking resume writes at once (web_message_processing_cache_size, 3728, default of 2026-04-27). */
const ROWS = 400;

/** Items that were received and not begun. */
const waiting = [];
/** Numbers of the items that were received and not finished. */
const pending = new Set();
/** What is in memory and not on disk yet: number of the item -> {item, record}. */
const unstored = new Map();
const unstoredKeys = new Set();
const holds = new Set(config.holds);
/** The work that goes on; null when there is none. */
let running = null;
/** Ends a hold; null unless the work stands at one. */
let release = null;
/** Called when the work ends or comes to a hold. */
const settledListeners = [];
/** Done before any item is processed. */
let beforeWork = Promise.resolve();
/** How items are processed now, and how many of those that had waited are done. */
let delivery = { mode: 'live', expected: 0, done: 0, ended: true, onProgress: () => {}, onEnd: () => {} };

/**
 * A stream was opened, behind which `expected` items wait.
 * @param {object} how mode ('live', 'silent' or 'add_first', until these items are done; then it is live), expected,
 *   onProgress(done), called as items are done, and onEnd(), once they all are
 */
export function beginDelivery(how) {
  delivery = { ...how, done: 0, ended: false };
  if (how.expected === 0) settled().then(endIfDone);
}

/** Counts items that are done. */
function finished(count) {
  delivery.done += count;
  delivery.onProgress(delivery.done);
}

/** Ends the delivery of what had waited once all of it is done: from then on items are live. */
async function endIfDone() {
  const ending = delivery;
  if (ending.ended || ending.done < ending.expected) return;
  await flush();
  if (ending.ended) return;
  ending.ended = true;
  ending.mode = 'live';
  ending.onEnd();
}

/** Whether this message is in memory only: a read of the disk does not find it. */
const isUnstored = (key) => unstoredKeys.has(key);

/** Lets items wait until this promise has resolved. */
export function storeFirst(promise) {
  beforeWork = promise;
  start();
}

/** Takes an item from the server, which may have sent it before. */
export function receive(item) {
  if (pending.has(item.n)) {
    // Sent again after a reconnect: while it is still being processed, or in memory only.
    if (unstored.has(item.n)) finished(1);
  } else {
    pending.add(item.n);
    waiting.push(item);
  }
  start();
}

/** Starts to work, unless that goes on already. */
function start() {
  running ??= work().finally(() => {
    running = null;
    if (waiting.length > 0) start();
    wakeAll();
  });
}

/** Resolves when nothing is left to process, or when all of it is held. */
export async function settled() {
  while (running && !release) await new Promise((resolve) => settledListeners.push(resolve));
}

/** From now on the work stops at this phase: `stored` or `acknowledged`. */
export function hold(phase) {
  holds.add(phase);
}

/** Ends the hold at a phase, or at every phase without one. */
export function releaseHolds(phase) {
  if (phase) holds.delete(phase);
  else holds.clear();
  release?.();
  release = null;
}

/** Takes over the server's holds, which it sends at each connection: they may have changed since this page was loaded. */
export function holdOnly(phases) {
  releaseHolds();
  for (const phase of phases) holds.add(phase);
}

function wakeAll() {
  for (const resolve of settledListeners.splice(0)) resolve();
}

/** Waits here for as long as this phase is held. */
async function waitWhileHeld(phase) {
  while (holds.has(phase)) {
    await new Promise((resolve) => {
      release = resolve;
      wakeAll();
    });
  }
}

/** Processes all that waits, in batches. */
async function work() {
  await beforeWork;
  do {
    const batch = waiting.splice(0, BATCH);
    if (delivery.mode === 'add_first') await addFirst(batch);
    else await storeAndShow(batch);
    await endIfDone();
  } while (waiting.length > 0);
}

/** The ways live and silent: stores a batch, acknowledges it, then adds it to memory (silent: only contacts). */
async function storeAndShow(batch) {
  if (batch.length === 0) return;
  const { mode } = delivery;
  /** By item: what remains to be done in memory, null for nothing. */
  const inMemory = await write(async (stores) => {
    const messages = batch.filter((item) => item.kind === 'message').map((item) => item.stanza);
    const before = await lookUp(stores, messages);
    const results = [];
    for (const item of batch) {
      const show = await STORING[item.kind]({ ...stores, before }, item);
      results.push(show);
      if (show && item.kind === 'message' && mode !== 'silent') arriving.add(keyText(item.stanza));
    }
    return results;
  });
  await waitWhileHeld('stored');
  await acknowledge(batch);
  await waitWhileHeld('acknowledged');
  for (const [index, show] of inMemory.entries()) {
    const isShown = mode !== 'silent' || batch[index].kind === 'contact';
    if (show && isShown) logged(show);
  }
  await chatsFollowed();
  for (const item of batch) {
    if (item.kind === 'message') arriving.delete(keyText(item.stanza));
    pending.delete(item.n);
  }
  finished(batch.length);
}

/** A lost acknowledgement is no error: the server sends the items again, and their keys are known. */
const acknowledge = (items) => report('ack', { numbers: items.map((item) => item.n) }).catch(() => {});

/** The way add_first: adds each new message to memory at once; flush() stores and acknowledges many later. */
async function addFirst(batch) {
  const stanzas = batch.filter((item) => item.kind === 'message').map((item) => item.stanza);
  const { known } = await write((stores) => lookUp(stores, stanzas));
  for (const item of batch) {
    if (item.kind !== 'message') {
      if (item.kind !== 'contact') await flush(); // it changes what must be on disk
      await storeAndShow([item]);
      continue;
    }
    const key = keyText(item.stanza);
    const isNew = !known.has(key) && !isUnstored(key);
    const record = isNew ? makeRecord(shownCall(item.stanza, item.offline), false) : null;
    unstored.set(item.n, { item, record });
    if (record) {
      unstoredKeys.add(key);
      logged(() => showNew(record));
    }
    if (unstored.size >= ROWS) await flush();
    finished(1);
    if (record) await new Promise((resolve) => setTimeout(resolve, config.resumeMs));
  }
  await chatsFollowed();
}

/** Stores and acknowledges what is in memory only. */
async function flush() {
  const batch = [...unstored.values()];
  if (batch.length === 0) return;
  const records = batch.flatMap(({ record }) => record ?? []);
  await write(async (stores) => {
    const before = await lookUp(
      stores,
      records.map((record) => record.data),
    );
    for (const record of records) putRecord({ ...stores, before }, record);
  });
  for (const record of records) unstoredKeys.delete(record.key);
  await waitWhileHeld('stored');
  await acknowledge(batch.map(({ item }) => item));
  for (const { item } of batch) {
    unstored.delete(item.n);
    pending.delete(item.n);
  }
}
