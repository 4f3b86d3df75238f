// What the server sends, one step after the other: stored in IndexedDB (committed), THEN acknowledged, THEN in memory
// and emitted. A browser killed between any two of these loses nothing and doubles nothing; a test can hold the page
// exactly there (holds `stored` and `acknowledged`).

import { config } from './config.js';
import { report } from './report.js';
import { write } from './storage.js';
import { lookUp, STORING } from './storing.js';

const BATCH = 250;
const waiting = [];
const pending = new Set();
const holds = new Set(config.holds);
let running = null;
let release = null;
const wake = [];
let onProgress = () => {};
let first = Promise.resolve();

/** Calls back with the number of items done, each time some are. */
export function watchProgress(callback) {
  onProgress = callback;
}

/** Nothing that is received is looked at before this is done. */
export function storeFirst(promise) {
  first = promise;
  start();
}

export function receive(item) {
  if (pending.has(item.n)) return; // came again after a reconnect, while we are still at it
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

/** Resolves when nothing is left to do, or when all work is held. */
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

/** The server says it at each connection: it may have changed since this page was loaded, or the last one was lost. */
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
    // A lost acknowledgement is no error: the server sends the items again and they are known by their key.
    await report('ack', { numbers: batch.map((item) => item.n) }).catch(() => {});
    await gate('acknowledged');
    for (const apply of applied) apply?.();
    for (const item of batch) pending.delete(item.n);
    onProgress(batch.length);
  }
}
