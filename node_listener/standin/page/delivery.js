// Processes what the server sends, in strict order: stored in IndexedDB (committed), THEN acknowledged, THEN added to
// memory and emitted. A browser killed between any two steps loses nothing and duplicates nothing. A test can hold the
// page between them (holds `stored` and `acknowledged`).

import { config } from './config.js';
import { report } from './report.js';
import { write } from './storage.js';
import { lookUp, STORING } from './storing.js';
import { chatsFollowed, logged } from './world.js';

const BATCH = 250;
const waiting = [];
const pending = new Set();
const holds = new Set(config.holds);
let running = null;
let release = null;
const wake = [];
let onProgress = () => {};
let first = Promise.resolve();

/** Calls back with the number of items processed, after each batch. */
export function watchProgress(callback) {
  onProgress = callback;
}

/** Nothing received is processed before this is done. */
export function storeFirst(promise) {
  first = promise;
  start();
}

export function receive(item) {
  if (pending.has(item.n)) return; // sent again after a reconnect, while it is still being processed
  pending.add(item.n);
  waiting.push(item);
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
  while (waiting.length > 0) {
    const batch = waiting.splice(0, BATCH);
    const applied = await write(async (stores) => {
      const messages = batch.filter((item) => item.kind === 'message').map((item) => item.stanza);
      const before = await lookUp(stores, messages);
      const results = [];
      for (const item of batch) results.push(await STORING[item.kind]({ ...stores, before }, item));
      return results;
    });
    await gate('stored');
    // A lost acknowledgement is no error: the server sends the items again, and their keys are known.
    await report('ack', { numbers: batch.map((item) => item.n) }).catch(() => {});
    await gate('acknowledged');
    for (const apply of applied) if (apply) logged(apply);
    await chatsFollowed();
    for (const item of batch) pending.delete(item.n);
    onProgress(batch.length);
  }
}
