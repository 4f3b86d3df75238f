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

const waiting = [];
const pending = new Set();
/** What is in memory and not on disk yet: number of the item -> {item, record}. */
const unstored = new Map();
const unstoredKeys = new Set();
const holds = new Set(config.holds);
let running = null;
let release = null;
const wake = [];
let first = Promise.resolve();
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

function finished(count) {
  delivery.done += count;
  delivery.onProgress(delivery.done);
}

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

/** Nothing received is processed before this is done. */
export function storeFirst(promise) {
  first = promise;
  start();
}

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

function start() {
  running ??= work().finally(() => {
    running = null;
    if (waiting.length > 0) start();
    wakeAll();
  });
}

/** Resolves when nothing is left to process, or when all of it is held. */
export async function settled() {
  while (running && !release) await new Promise((resolve) => wake.push(resolve));
}

export function hold(phase) {
  holds.add(phase);
}

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
  for (const resolve of wake.splice(0)) resolve();
}

async function gate(phase) {
  while (holds.has(phase)) {
    await new Promise((resolve) => {
      release = resolve;
      wakeAll();
    });
  }
}

async function work() {
  await first;
  do {
    const batch = waiting.splice(0, BATCH);
    if (delivery.mode === 'add_first') await addFirst(batch);
    else await storeAndShow(batch);
    await endIfDone();
  } while (waiting.length > 0);
}

async function storeAndShow(batch) {
  if (batch.length === 0) return;
  const { mode } = delivery;
  const applied = await write(async (stores) => {
    const messages = batch.filter((item) => item.kind === 'message').map((item) => item.stanza);
    const before = await lookUp(stores, messages);
    const results = [];
    for (const item of batch) {
      const apply = await STORING[item.kind]({ ...stores, before }, item);
      results.push(apply);
      if (apply && item.kind === 'message' && mode !== 'silent') arriving.add(keyText(item.stanza));
    }
    return results;
  });
  await gate('stored');
  await acknowledge(batch);
  await gate('acknowledged');
  for (const [index, apply] of applied.entries())
    if (apply && (mode !== 'silent' || batch[index].kind === 'contact')) logged(apply);
  await chatsFollowed();
  for (const item of batch) {
    if (item.kind === 'message') arriving.delete(keyText(item.stanza));
    pending.delete(item.n);
  }
  finished(batch.length);
}

/** A lost acknowledgement is no error: the server sends the items again, and their keys are known. */
const acknowledge = (items) => report('ack', { numbers: items.map((item) => item.n) }).catch(() => {});

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
  await gate('stored');
  await acknowledge(batch.map(({ item }) => item));
  for (const { item } of batch) {
    unstored.delete(item.n);
    pending.delete(item.n);
  }
}
