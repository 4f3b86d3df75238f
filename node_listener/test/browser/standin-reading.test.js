// Reading back, each way of it, by the page's own functions.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SHOP, setUp } from '../support/bare-client.js';
import { LIMIT, until } from '../support/waiting.js';

const ANA = '5491155550001';
const BETO = '5491155550002';
const PAGE = /** @type {const} */ ({ paging: 'page', find_local: true });

/** @typedef {import('../support/bare-client.js').BareClient} BareClient */

/** @param {number} count */
const historyOf = (count) =>
  Array.from({ length: count }, (_, index) => ({
    from: ANA,
    body: `${index + 1}`,
    t: 1_700_000_000 + index,
  }));

/**
 * Asks for earlier messages so many times.
 * @param {BareClient} client
 * @param {number} times
 * @returns {Promise<{answers: (string[] | null)[], marked: boolean}>} the texts of each answer, null for undefined
 */
const page = (client, times, phone = ANA) =>
  client.evaluate(
    async (/** @type {string} */ id, /** @type {number} */ count) => {
      const page = /** @type {any} */ (window);
      const chat = page.require('WAWebCollections').Chat.get(id);
      const answers = [];
      for (let index = 0; index < count; index += 1) {
        const models = await page.require('WAWebChatLoadMessages').loadEarlierMsgs({ chat });
        answers.push(models?.map((/** @type {any} */ msg) => msg.body) ?? null);
      }
      return { answers, marked: chat.msgs.msgLoadState.noEarlierMsgs };
    },
    `${phone}@c.us`,
    times,
  );

/**
 * @param {BareClient} client
 * @param {{anchor?: string, count?: number, direction?: string}} want `anchor`: the id of a message of ANA's chat
 * @returns {Promise<any>} {status, bodies, keys, added}, or the error's text
 */
const find = (client, want) =>
  client.evaluate(
    async (/** @type {string} */ chat, /** @type {any} */ { anchor, direction = 'before', count }) => {
      const page = /** @type {any} */ (window);
      const { Msg } = page.require('WAWebCollections');
      const MsgKey = page.require('WAWebMsgKey');
      const remote = page.require('WAWebWidFactory').createWid(chat);
      const asked = { anchor: anchor ? new MsgKey({ fromMe: false, remote, id: anchor }) : { remote } };
      const before = Msg.length;
      try {
        const { messages, status } = await page.require('WAWebDBMessageFindLocal').msgFindByDirection({
          ...asked,
          count,
          direction,
        });
        return {
          status,
          bodies: messages.map((/** @type {any} */ each) => each.body),
          keys: messages.every((/** @type {any} */ each) => each.id instanceof MsgKey && !each.isNewMsg),
          added: Msg.length - before,
        };
      } catch (error) {
        return String(error);
      }
    },
    `${ANA}@c.us`,
    want,
  );

test('paging: undefined after the end is marked, where the old way answers [] each time', async (context) => {
  const { standin, newClient } = await setUp(context, { pageSize: 10, ways: { paging: 'page' } });
  const client = await newClient().startLinked(standin, { ...SHOP, history: historyOf(25) });
  const { answers, marked } = await page(client, 5);
  assert.deepEqual(
    answers.map((each) => each?.length ?? null),
    [10, 10, 4, null, null],
  );
  assert.deepEqual([answers[0]?.[0], answers[2]?.[0], marked], ['15', '1', true]);

  await standin.act('way', { name: 'paging', value: 'old' });
  await standin.act('reload');
  await client.next('ready', () => client.all('ready').length === 2);
  const old = await page(client, 5);
  assert.deepEqual(
    old.answers.map((each) => each?.length ?? null),
    [10, 10, 4, 0, 0],
  );
  assert.equal(old.marked, false);
});

test('load_fails: [] after five tries, and the page marks an end that is none', async (context) => {
  const { standin, newClient } = await setUp(context, {
    pageSize: 10,
    loadRetry: 10,
    ways: { paging: 'page' },
  });
  const client = await newClient().startLinked(standin, { ...SHOP, history: historyOf(25) });
  const before = Date.now();
  await standin.act('load_fails');
  assert.deepEqual(await page(client, 2), { answers: [[], null], marked: true });
  assert.ok(Date.now() - before >= 150, 'four pauses, each twice as long as the one before');
  await standin.act('load_fails', { on: false });
  assert.deepEqual(await page(client, 1), { answers: [null], marked: true }, 'until the next load');

  await standin.act('reload');
  await client.next('ready', () => client.all('ready').length === 2);
  await standin.act('no_end');
  await standin.act('load_fails', { chat: ANA });
  assert.deepEqual(await page(client, 1), { answers: [[]], marked: false });
  await standin.act('load_fails', { on: false, chat: ANA });
  const { answers, marked } = await page(client, 4);
  assert.deepEqual(
    answers.map((each) => each?.length),
    [10, 10, 4, 0],
  );
  assert.equal(marked, false);
});

test('load_404: an anchor that is not on disk gives [] at once', async (context) => {
  const { standin, newClient } = await setUp(context, { pageSize: 10, ways: { paging: 'page' } });
  const client = await newClient().startLinked(standin, { ...SHOP, history: historyOf(25) });
  await standin.act('load_404');
  const before = Date.now();
  assert.deepEqual((await page(client, 1)).answers, [[]]);
  assert.ok(Date.now() - before < 900, 'no second try');
  await standin.act('load_404', { on: false });
  await standin.act('way', { name: 'paging', value: 'old' });
  await standin.act('load_404');
  assert.deepEqual((await page(client, 1)).answers, [[]]);
  await standin.act('load_404', { on: false });
  assert.equal((await page(client, 1)).answers[0]?.length, 10);
});

test('find_local: plain records from the disk, and nothing gets into memory', async (context) => {
  const { standin, newClient } = await setUp(context, { ways: PAGE });
  const history = historyOf(25).map((each, index) => ({ ...each, id: `M${index + 1}` }));
  const client = await newClient().startLinked(standin, { ...SHOP, history });
  assert.deepEqual(await find(client, { count: 3 }), {
    status: 200,
    bodies: ['23', '24', '25'],
    keys: true,
    added: 0,
  });
  assert.equal((await find(client, {})).bodies.length, 20);
  const anchored = { anchor: 'M3', count: 5 };
  assert.deepEqual((await find(client, anchored)).bodies, ['1', '2']);
  assert.deepEqual((await find(client, { ...anchored, direction: 'after' })).bodies, [
    '4',
    '5',
    '6',
    '7',
    '8',
  ]);
  assert.deepEqual((await find(client, { anchor: 'NONE' })).status, 404);
  await standin.act('find_fails');
  assert.match(await find(client, { count: 3 }), /database fail/);
  await standin.act('find_fails', { on: false });
  assert.equal((await find(client, { count: 3 })).status, 200);

  await standin.act('way', { name: 'find_local', value: false });
  await standin.act('reload');
  await client.next('ready', () => client.all('ready').length === 2);
  assert.match(await find(client, { count: 3 }), /unknown module "WAWebDBMessageFindLocal"/);
});

test('no chat gets the mark of its end before the recent history of a link is complete', async (context) => {
  const ways = /** @type {const} */ ({ paging: 'page', history: 'chunks' });
  const { standin, newClient } = await setUp(context, { historyMs: 100, ways });
  await standin.act('history_late', { seconds: 600 });
  const client = await newClient().startLinked(standin, { ...SHOP, history: historyOf(25) });
  assert.deepEqual(await page(client, 2), { answers: [[], []], marked: false });
  await standin.act('history_late', { seconds: 0 });
  await until(() => standin.state().history_chunks === 0);
  const { answers, marked } = await page(client, 2);
  assert.deepEqual([answers[0]?.length, answers[0]?.[0], answers[1], marked], [24, '1', null, true]);
});

for (const [order, expected] of /** @type {const} */ ([
  ['arrival', ['uno', 'tarde', 'dos']],
  ['time', ['tarde', 'uno', 'dos']],
])) {
  test(`disk_order ${order}: a message that was sent long before it came`, async (context) => {
    const { standin, newClient } = await setUp(context, { ways: { ...PAGE, disk_order: order } });
    const client = await newClient().startLinked(standin, { ...SHOP, history: historyOf(3) });
    const now = Math.floor(Date.now() / 1000);
    await standin.act('deliver', { from: ANA, body: 'uno', t: now - 60 });
    await standin.act('deliver', { from: ANA, body: 'tarde', t: now - 3600 });
    await standin.act('deliver', { from: ANA, body: 'dos', t: now, wait: LIMIT });
    await client.next('message', (message) => message.body === 'dos');
    assert.deepEqual((await find(client, {})).bodies, ['1', '2', '3', ...expected]);
    await standin.act('reload');
    await client.next('ready', () => client.all('ready').length === 2);
    assert.deepEqual(
      (await page(client, 2)).answers,
      [['1', '2', '3', ...expected.slice(0, -1)], null],
      'behind the newest, which is in memory',
    );
  });
}

test('chats_in_memory: the other chats are empty, and paging them waits for the offline delivery', async (context) => {
  const ways = /** @type {const} */ ({ paging: 'page', chats_in_memory: 2 });
  const { standin, newClient } = await setUp(context, { ways });
  const history = Array.from({ length: 5 }, (_, index) => ({
    from: `549115555000${index}`,
    body: `de ${index}`,
    t: 1_700_000_000 + index,
  }));
  const first = await newClient().startLinked(standin, { ...SHOP, history });
  await first.stop();
  await standin.act('hold', { phase: 'stored' });
  await standin.act('deliver', { from: '5491155559999', body: 'mientras' });

  const second = newClient();
  const starting = second.start();
  const chats = () =>
    second.evaluate(() =>
      /** @type {any} */ (window)
        .require('WAWebCollections')
        .Chat.map((/** @type {any} */ chat) => [chat.id.user, chat.pendingInitialLoading, chat.msgs.length]),
    );
  await until(async () => standin.state().page_connected && (await chats().catch(() => [])).length === 5);
  assert.deepEqual((await chats()).toSorted(), [
    ['5491155550000', true, 0],
    ['5491155550001', true, 0],
    ['5491155550002', true, 0],
    ['5491155550003', false, 1],
    ['5491155550004', false, 1],
  ]);
  const paging = page(second, 1, BETO);
  assert.equal(
    await Promise.race([paging, new Promise((resolve) => setTimeout(resolve, 300, 'waits'))]),
    'waits',
  );
  await standin.act('release');
  await starting;
  await second.next('ready');
  assert.deepEqual((await paging).answers, [[]], 'its only message came into memory by itself');
  await until(async () => (await chats()).every((/** @type {any[]} */ [, pending]) => !pending));
  assert.equal((await chats()).length, 6);

  await second.stop();
  await standin.act('way', { name: 'chats_in_memory', value: null });
  const third = await newClient().start();
  await third.next('ready');
  const all = await third.evaluate(() =>
    /** @type {any} */ (window)
      .require('WAWebCollections')
      .Chat.map((/** @type {any} */ chat) => chat.msgs.length),
  );
  assert.deepEqual(all, [1, 1, 1, 1, 1, 1]);
});

test('chats_in_memory: an active chat gets its unread messages and five more, many unread stay beside it', async (context) => {
  const { standin, newClient } = await setUp(context, { ways: { chats_in_memory: 100 } });
  const first = await newClient().startLinked(standin, SHOP);
  const t = Math.floor(Date.now() / 1000) - 600;
  await standin.act('deliver', { from: ANA, body: '{n}', count: 3, t });
  await standin.act('own', { to: ANA, body: 'ya', t, wait: LIMIT });
  await standin.act('deliver', { from: BETO, body: '{n}', count: 30, t, wait: LIMIT });
  await first.next('message', (message) => message.body === '30');
  await first.stop();
  const second = await newClient().start();
  await second.next('ready');
  const sizes = await second.evaluate(
    (/** @type {string[]} */ ids) => {
      const { Chat, Msg } = /** @type {any} */ (window).require('WAWebCollections');
      return ids.map((id) => [
        Chat.get(id).msgs.length,
        Msg.filter((/** @type {any} */ msg) => `${msg.id.remote}` === id).length,
      ]);
    },
    [`${ANA}@c.us`, `${BETO}@c.us`],
  );
  assert.deepEqual(sizes, [
    [4, 4],
    [1, 30],
  ]);
  await standin.act('way', { name: 'paging', value: 'old' });
  const { answers } = await page(second, 3, BETO);
  assert.equal(answers.flat().length, 29, 'paging back brings those beside it');
});
