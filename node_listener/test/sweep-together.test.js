// A sweep asks for several chats with one call of the page, and each of them still stands for itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyPiece, readChat, readChats } from '../src/page/sweep.js';
import { PageSilent } from '../src/page-calls.js';
import { createRelay } from '../src/relay.js';
import { createSweeper } from '../src/sweep.js';
import { createWire } from '../src/wire.js';
import { chatOf, T } from './support/page-chats.js';

const NAMESPACE = 'leadmasterd_sweep_together';

/** @typedef {import('../src/page/sweep.js').Want} Want */
/** @typedef {import('../src/page/sweep.js').PieceText} PieceText */
/** @typedef {ReturnType<typeof createRelay>} Relay */

/**
 * @param {string} chat
 * @param {number} [count]
 * @param {string} [body]
 */
const records = (chat, count = 1, body = 'hola') =>
  Array.from({ length: count }, (_, n) =>
    JSON.stringify({ id: { fromMe: false, remote: chat, id: `M${n}` }, t: T + n, type: 'chat', body }),
  );

/** @param {Want} want */
const oneMessage = async ({ chat }) => ({
  ...emptyPiece(),
  records: records(chat),
  next: /** @type {number | null} */ (null),
  through: T,
});

/**
 * Sweeps chats of a page whose reading of one is as given.
 * @param {number} count
 * @param {(want: Want, sweeper: ReturnType<typeof createSweeper>, relay: Relay) => Promise<PieceText>} readOne
 * @param {(line: any, relay: ReturnType<typeof createRelay>) => void} [onLine]
 */
async function sweep(count, readOne, onLine = () => {}) {
  const names = Array.from({ length: count }, (_, n) => `${5491155560000 + n}@c.us`);
  /** @type {string[][]} */
  const calls = [];
  /** @type {any[]} */
  const lines = [];
  const wire = createWire({
    write(chunk) {
      for (const text of chunk.trimEnd().split('\n')) {
        const line = JSON.parse(text);
        lines.push(line);
        onLine(line, relay);
      }
      return true;
    },
    once() {},
    writableLength: 0,
  });
  const relay = createRelay(wire, false);
  const sweeper = createSweeper({
    wire,
    call: async (source, ...args) => /** @type {any} */ (typeof source === 'string' ? true : source(...args)),
    config: {
      namespace: NAMESPACE,
      report: '',
      groups: false,
      headless: true,
      heartbeat: 1000,
      senders: [],
      ignored: [],
    },
    relay,
    ready: () => true,
    loadTime: 1000,
    patience: 1000,
    onTrouble: (message) => assert.fail(message),
  });
  /** @type {any} */ (globalThis)[NAMESPACE] = {
    sweeping: {
      delivering: () => null,
      chats: () => ({ total: count, wanted: names.map((chat) => ({ chat, t: T, aliases: [] })) }),
      read(/** @type {Want[]} */ places, /** @type {import('../src/page/sweep.js').Limits} */ limits) {
        calls.push(places.map(({ chat }) => chat));
        return readChats((want) => readOne(want, sweeper, relay), places, limits);
      },
      votes: async () => [],
    },
  };
  await sweeper.run({ type: 'sweep', sweep: 1, from: 0, chats: {}, ignore: [] });
  const reports = lines.filter(({ type }) => type === 'sweep_chat');
  return {
    names,
    calls,
    lines,
    reports,
    failed: reports.filter(({ error }) => error !== null).map(({ chat }) => chat),
    done: lines.find(({ type }) => type === 'sweep_done'),
  };
}

test('many short chats take few calls, and the line of each chat follows its messages', async () => {
  const { names, calls, lines, done } = await sweep(100, oneMessage);
  assert.ok(calls.length <= 10, `${calls.length} calls`);
  assert.deepEqual(
    lines.slice(0, -1).map((line) => [line.type, line.id?.remote ?? line.chat, line.found]),
    names.flatMap((name) => [
      ['message', name, undefined],
      ['sweep_chat', name, 1],
    ]),
  );
  assert.deepEqual([done.messages, done.looked_at, done.failed, done.error], [100, 100, 0, null]);
});

test('long chats come one by one, each whole, piece by piece', async () => {
  const { calls, done, reports } = await sweep(5, async ({ chat, at, bytes }) => {
    const from = at ?? 0;
    const all = records(chat, 300, 'x'.repeat(10_000));
    const some = all.slice(from, from + bytes / 10_000);
    const next = from + some.length;
    return { ...emptyPiece(), records: some, next: next < all.length ? next : null, through: T };
  });
  assert.ok(calls.length >= 15, `${calls.length} calls`);
  assert.deepEqual(
    reports.map(({ found, through, error }) => [found, through, error]),
    Array(5).fill([300, T, null]),
  );
  assert.equal(done.messages, 1500);
});

test('a chat that cannot be read costs only itself', async () => {
  const bad = '5491155560007@c.us';
  const { names, reports, failed, done } = await sweep(60, async (want) => {
    if (want.chat === bad) throw new Error('a defect of the page');
    return oneMessage(want);
  });
  assert.deepEqual(failed, [bad]);
  assert.deepEqual(
    reports.map(({ chat }) => chat),
    names,
  );
  assert.deepEqual([done.messages, done.looked_at, done.failed, done.error], [59, 60, 1, null]);
});

test('a chat for which the page gives no answer costs only itself', async () => {
  const silent = '5491155560007@c.us';
  const { failed, done } = await sweep(60, async (want) => {
    if (want.chat === silent) throw new PageSilent('the page did not answer within 1000 ms');
    return oneMessage(want);
  });
  assert.deepEqual(failed, [silent]);
  assert.equal(done.messages, 59);
});

test('where every chat fails, all are told and the sweep ends', async () => {
  const { failed, done } = await sweep(60, async () => {
    throw new Error('a defect of the page');
  });
  assert.deepEqual([failed.length, done.messages, done.looked_at, done.error], [60, 0, 60, null]);
});

test('a sweep that is stopped reports no chat that it has read in part', async () => {
  const { reports, done } = await sweep(3, async (want, sweeper) => {
    sweeper.stop();
    return { ...(await oneMessage(want)), next: 1 };
  });
  assert.deepEqual([reports, done], [[], undefined]);
});

/**
 * The page tells that the message of this chat was edited.
 * @param {Relay} relay
 * @param {string} chat
 */
function tellEdit(relay, chat) {
  const [raw] = records(chat, 1, 'after').map((text) => JSON.parse(text));
  relay.edit({ ...raw, latestEditSenderTimestampMs: (T + 60) * 1000 }, 'after', 'before');
}

/**
 * The edit, then the message with its later text; and the other nineteen.
 * @param {any[]} lines
 * @param {any} done
 * @param {string} edited
 */
function isToldInOrder(lines, done, edited) {
  const told = lines.filter(({ id }) => id?.remote === edited);
  assert.deepEqual(
    told.map(({ type, body }) => [type, body]),
    [
      ['message_edit', 'after'],
      ['message', 'after'],
    ],
  );
  assert.deepEqual([done.messages, done.looked_at], [20, 20]);
}

test('no earlier text comes after an edit that happens while other chats are told', async () => {
  const edited = '5491155560007@c.us';
  let body = 'before';
  const { lines, done } = await sweep(
    20,
    async (want) => ({ ...(await oneMessage(want)), records: records(want.chat, 1, body) }),
    ({ type, chat }, relay) => {
      if (type !== 'sweep_chat' || chat !== '5491155560001@c.us') return;
      body = 'after';
      tellEdit(relay, edited);
    },
  );
  isToldInOrder(lines, done, edited);
});

test('nor after one that happens while other chats are read', async () => {
  const edited = '5491155560000@c.us';
  let body = 'before';
  const { lines, done } = await sweep(20, async (want, _sweeper, relay) => {
    if (want.chat === '5491155560005@c.us' && body === 'before') {
      body = 'after';
      tellEdit(relay, edited);
    }
    return { ...(await oneMessage(want)), records: records(want.chat, 1, body) };
  });
  isToldInOrder(lines, done, edited);
});

test('a chat in whose place the page has put another model since it was listed is read from that one', async () => {
  const id = '5491155560000@c.us';
  const [listed, later] = [chatOf(id, 'EARLY'), chatOf(id, 'EARLY', 'LATE')];
  /** @type {Record<string, object>} */
  const modules = {
    WAWebCollections: { Chat: { getModelsArray: () => [later] } },
    WAWebDBMessageFindLocal: { msgFindByDirection: async () => ({ status: 200, messages: [] }) },
  };
  const page = /** @type {any} */ (globalThis);
  page.require = (/** @type {string} */ name) => modules[name];
  const sweeping = /** @type {any} */ ({
    listed: new Map([[id, listed]]),
    reading: new Map(),
    paged: { works: false, ended: new Set() },
  });
  const limits = { page: 50, loadTime: 1000, bytes: 1e6, together: { bytes: 1e5, time: 200 } };
  const piece = await readChat(sweeping, false, {
    chat: id,
    since: T - 1,
    depth: T - 1,
    at: null,
    ...limits,
  });
  delete page.require;
  assert.deepEqual(
    piece.records.map((text) => JSON.parse(text).id.id),
    ['EARLY', 'LATE'],
  );
});
