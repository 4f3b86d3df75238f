// How a sweep reads a chat, in the ways in which WhatsApp Web lets it: from the disk, by paging back, with failures.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { completeWays } from '../../standin/ways.js';
import { amount } from '../support/depth.js';
import { drivenListening, sharedChild, whileAway } from '../support/listening.js';
import { sweep as sweepAll } from '../support/sweeping.js';

const SHOP = { phone: '5491155550100', name: 'Tienda' };
/** The page's own ways, or those of a page that cannot be read from the disk. */
const DISK = /** @type {const} */ ({});
const PAGING = /** @type {const} */ ({ find_local: false });
/** Seconds: some days ago, so that no chat counts as active. */
const T = Math.floor(Date.now() / 1000) - 10 * 86_400;

/** @typedef {import('../support/listening.js').DrivenListening} DrivenListening */
/** @typedef {import('../support/child.js').Child} Child */
/** @typedef {import('../../standin/options.js').GivenOptions} GivenOptions */

/**
 * @param {import('../support/listening.js').Context} context
 * @param {GivenOptions} [options]
 */
const setUp = (context, options) =>
  drivenListening(context, { keyShape: 'dollar', pageSize: 5, loadRetry: 10, historyMs: 100, ...options });

/**
 * A child that was linked with this history, all of which the page has.
 * @param {DrivenListening} listener
 * @param {object[]} [history]
 */
async function linkedWith({ standin, start }, history = []) {
  const child = await start();
  await child.line('qr');
  await standin.act('scan', { ...SHOP, history });
  await child.line((line) => line.type === 'heartbeat' && line.history === 'complete');
  return child;
}

/**
 * Memory holds only what the page restores.
 * @param {{standin: DrivenListening['standin'], child: Child}} listener
 */
async function loadedAgain({ standin, child }) {
  await standin.act('wait', { for: 'drained' });
  const after = child.lines.length;
  await standin.act('reload');
  await child.line('ready', { after });
}

describe('with one linked child', () => {
  const { next } = sharedChild(setUp, linkedWith);
  /** Chats of the tests so far. */
  const known = /** @type {string[]} */ ([]);

  /**
   * For one test: a customer with twelve old messages, or so many, in a page of these ways that was loaded again. `id` names
   * a message of the customer's, the first one is `M-1`; sweeps leave out the chats of other tests.
   * @param {GivenOptions['ways']} ways
   * @param {number} [count]
   */
  async function withCustomer(ways, count = 12) {
    const listener = next();
    const { standin, child } = listener;
    const ignore = [...known];
    const phone = `${5491155551000 + known.length}`;
    const chat = `${phone}@c.us`;
    known.push(chat);
    const id = (/** @type {string} */ name) => `${phone}.${name}`;
    const named = (/** @type {any} */ line) => line.id?.id.replace(`${phone}.`, '');
    await standin.act('ways', completeWays(ways));
    if (count > 0)
      await standin.act('deliver', { from: chat, id: id('M'), body: '{n}', t: T, t_step: 1, count });
    await loadedAgain(listener);
    return {
      ...listener,
      chat,
      id,
      named,
      /** @param {Parameters<typeof sweepAll>[1]} [how] */
      async sweep(how) {
        const swept = await sweepAll(child, { ...how, ignore });
        return { ...swept, ids: swept.found.map(named) };
      },
      deliver: (/** @type {string} */ name, /** @type {object} */ body) =>
        standin.act('deliver', { from: chat, id: id(name), body: 'x', ...body }),
    };
  }
  const MESSAGES = Array.from({ length: 12 }, (_, index) => `M-${index + 1}`);

  test('the disk is read although paging back fails, and nothing is loaded into memory', async () => {
    const { standin, sweep } = await withCustomer(DISK);
    await standin.act('load_fails');
    const { done, chats, ids } = await sweep();
    assert.deepEqual(ids, MESSAGES, 'oldest first');
    assert.deepEqual([done.read_by, done.failed, done.error], ['disk', 0, null]);
    assert.equal(chats[0].through, T + 11);
    const again = await sweep();
    assert.equal(again.ids.length, 12);
    await standin.act('load_fails', { on: false });
  });

  for (const fault of ['load_fails', 'load_404']) {
    test(`paging back that fails (${fault}) leaves the chat in doubt, also in the next sweep, and no other`, async () => {
      const other = `${5491155559000 + known.length}@c.us`;
      await next().standin.act('deliver', { from: other, body: 'otro {n}', t: T, count: 2 });
      const { standin, child, sweep, chat } = await withCustomer(PAGING);
      known.push(other);
      await standin.act(fault, { chat });
      for (let round = 0; round < 2; round += 1) {
        const { done, chats, ids } = await sweep({ from: T });
        assert.ok(ids.includes('M-12'), 'what is in memory is still worth having');
        const doubted = chats.find((each) => each.chat === chat);
        assert.match(doubted?.error, /did not load/);
        assert.equal(doubted?.through, null);
        assert.equal(chats.find((each) => each.chat === other)?.error, null);
        assert.ok(done.failed >= 1);
        assert.equal(done.read_by, 'paging');
        // The page has marked the end after the error: a later sweep must not take that for one.
        await standin.act(fault, { on: false, chat });
      }
      const start = child.lines.length;
      await standin.act('reload');
      await child.line('ready', { after: start });
      const { chats, ids } = await sweep({ from: T });
      assert.deepEqual(ids.filter((id) => id.startsWith('M')).length, 12, 'the next page load reads it');
      assert.equal(chats.find((each) => each.chat === chat)?.error, null);
    });
  }

  test('a disk that fails is made good by paging back', async () => {
    const { standin, sweep } = await withCustomer(DISK);
    await standin.act('find_fails');
    const { done, ids } = await sweep();
    assert.equal(ids.length, 12);
    assert.deepEqual([done.read_by, done.failed], ['paging', 0]);
    await standin.act('find_fails', { on: false });
    assert.equal((await sweep()).done.read_by, 'disk');
  });

  for (const [name, ways] of Object.entries({ disk: DISK, paging: PAGING })) {
    test(`a message with an old time ends no reading: ${name}`, async () => {
      const customer = await withCustomer(ways);
      await whileAway(customer, async () => {
        await customer.deliver('A', { t: T + 1001, t_step: 1, count: 10 });
        await customer.deliver('LATE', { t: T + 500 });
        await customer.deliver('B', { t: T + 1011, t_step: 1, count: 45 }); // with LATE and some of A the newest page
      });
      await loadedAgain(customer);
      const { ids } = await customer.sweep({ from: T + 1000 });
      const inOrder = Array.from({ length: 55 }, (_, index) =>
        index < 10 ? `A-${index + 1}` : `B-${index - 9}`,
      );
      assert.deepEqual(ids, inOrder);
    });
  }

  test('reactions of the time away are put on the wire with what is read', async () => {
    const customer = await withCustomer(DISK);
    const { standin, id, named } = customer;
    await whileAway(customer, async () => {
      await customer.deliver('ASKED', { t: T + 100 });
      await standin.act('react', { id: id('ASKED'), emoji: '👍', from_me: true, t: T + 200 });
      await standin.act('react', { id: id('M-11'), emoji: '🙏', t: T + 210 });
    });
    await loadedAgain(customer);
    const { lines } = await customer.sweep({ from: T + 50 });
    const told = lines.filter(({ type }) => type === 'reaction');
    assert.deepEqual(
      told.map((line) => [named(line), line.from_me, line.emoji, line.t]),
      [['ASKED', true, '👍', T + 200]],
      'of the messages since the time asked for',
    );
    const changes = await customer.sweep({ from: T + 50, changes_from: T });
    const all = changes.lines.filter(({ type }) => type === 'reaction');
    assert.deepEqual(all.map(named).toSorted(), ['ASKED', 'M-11']);
    assert.deepEqual(changes.ids, ['ASKED'], 'and no message before that');
  });

  for (const revokeId of /** @type {const} */ (['new', 'same'])) {
    test(`a look back brings edits and revocations, and no messages (revoke_id ${revokeId})`, async () => {
      const customer = await withCustomer({ ...DISK, revoke_id: revokeId });
      await whileAway(customer, async () => {
        await customer.standin.act('revoke', { id: customer.id('M-2') });
        await customer.standin.act('edit', {
          id: customer.id('M-5'),
          body: 'corregido',
          at: (T + 60) * 1000,
        });
      });
      await loadedAgain(customer);
      const { lines, done, chats } = await customer.sweep({ from: T + 1000, changes_from: T });
      assert.deepEqual(
        lines
          .filter(({ type }) => type !== 'heartbeat')
          .map((line) => [line.type, customer.named(line), line.body]),
        [
          ['message_revoke', 'M-2', undefined],
          ['message_edit', 'M-5', 'corregido'],
          ['sweep_chat', undefined, undefined],
        ],
      );
      assert.deepEqual([done.messages, done.looked_at, chats[0].found], [0, 1, 0]);
      const without = await customer.sweep({ from: T + 1000 });
      assert.equal(without.done.looked_at, 0);
    });
  }

  test('what has just come is in memory only, and is read beside the disk', async () => {
    const customer = await withCustomer({ ...DISK, resume: 'nonblocking' });
    await whileAway(customer, async () => {
      await customer.standin.act('hold', { phase: 'stored' });
      await customer.deliver('FRESH', { t: T + 100 });
    });
    const { ids } = await customer.sweep();
    assert.deepEqual(ids, [...MESSAGES, 'FRESH']);
    await customer.standin.act('release');
  });

  test('a device at a provider is the business itself, and a sealed edit is an edit', async () => {
    const { child, standin, sweep, named } = await withCustomer(DISK, 0);
    await standin.act('deliver', { from: '5491155550009@hosted', id: 'HOSTED', body: 'desde el proveedor' });
    const live = await child.line(({ id }) => id?.id === 'HOSTED');
    assert.equal(live.contact.phone, '5491155550009@c.us');
    await standin.act('edit', { id: 'HOSTED', body: 'sellado', sealed: true });
    const edit = await child.line(({ type, id }) => type === 'message_edit' && id.id === 'HOSTED');
    assert.equal(edit.body, 'sellado');
    const { found } = await sweep();
    assert.deepEqual(
      found.map((line) => [named(line), line.body, line.contact.phone]),
      [['HOSTED', 'sellado', '5491155550009@c.us']],
      'and nothing else: the sealed edit is no message',
    );
  });
});

/** Many more than the page has loaded (`chats_in_memory`). */
const MANY = amount(60, 300);
const many = Array.from({ length: MANY }, (_, index) => ({
  from: `${5491155560000 + index}`,
  id: `C${index}`,
  body: 'hola',
  t: T + index,
}));

/**
 * A child that was linked with many chats; meanwhile one message waits at the server, and the page is held while it receives
 * it.
 * @param {import('node:test').TestContext} context
 * @param {GivenOptions['ways']} ways
 * @param {object[]} [more] of the history
 */
async function withManyChats(context, ways, more = []) {
  const listener = await setUp(context, { ways });
  const { standin, drive } = listener;
  const child = await linkedWith(listener, [...many, ...more]);
  await whileAway({ standin, drive, child }, async () => {
    await standin.act('hold', { phase: 'stored' });
    await standin.act('deliver', { from: '5491155550001', id: 'WAITS', body: 'mientras', t: T + 5000 });
  });
  return { standin, child };
}

test(`chats that the page has not loaded yet, ${MANY}, are read from the disk at once`, async (context) => {
  const ways = /** @type {const} */ ({ ...DISK, resume: 'nonblocking', chats_in_memory: 5 });
  const { child, standin } = await withManyChats(context, ways);
  const { done, ids, chats } = await sweepAll(child);
  assert.deepEqual(ids.toSorted(), [...many.map(({ id }) => id), 'WAITS'].toSorted());
  assert.deepEqual([done.unloaded, done.failed, done.read_by], [0, 0, 'disk']);
  assert.match(done.error, /still receiving/, 'older messages may still come: no line is drawn');
  assert.ok(chats.every(({ through }) => through === null));
  await standin.act('release');
  const later = await sweepAll(child);
  assert.deepEqual([later.done.failed, later.done.error], [0, null]);
});

test('a page that sets no mark and pages nothing back leaves every chat in doubt', async (context) => {
  const listener = await setUp(context, { ways: { ...PAGING, paging: 'old', chats_in_memory: null } });
  const { standin } = listener;
  const history = [0, 1].flatMap((customer) =>
    Array.from({ length: 12 }, (_, index) => ({
      from: `549115556000${customer}`,
      id: `M${customer}-${index}`,
      body: 'hola',
      t: T + index,
    })),
  );
  const child = await linkedWith(listener, history);
  await standin.act('load_fails', { on: true });
  await loadedAgain({ standin, child });
  const failed = await sweepAll(child);
  assert.deepEqual(failed.ids.toSorted(), ['M0-11', 'M1-11'], 'what is in memory is still worth having');
  assert.equal(failed.done.failed, 2);
  for (const { error, through } of failed.chats) {
    assert.match(error, /did not load/);
    assert.equal(through, null);
  }
  await standin.act('load_fails', { on: false });
  const later = await sweepAll(child);
  assert.deepEqual([later.done.failed, later.ids.length], [0, 24]);
});

test('chats that cannot be read before they are loaded are told, and a later sweep reads them', async (context) => {
  const ways = /** @type {const} */ ({ ...PAGING, paging: 'old', resume: 'nonblocking', chats_in_memory: 5 });
  // Of the chat that is read first there is more to page back: so the others' empty answers are their ends.
  const older = { from: many.at(-1)?.from, id: 'OLDER', body: 'antes', t: T - 1 };
  const { child, standin } = await withManyChats(context, ways, [older]);
  const began = Date.now();
  const { done, chats } = await sweepAll(child);
  assert.equal(done.unloaded, MANY - 5);
  assert.ok(done.failed >= MANY - 5);
  assert.match(
    chats.find(({ chat }) => chat.startsWith('5491155560000'))?.error,
    /has not loaded this chat yet/,
  );
  assert.ok(Date.now() - began < 60_000);
  await standin.act('release');
  const later = await sweepAll(child);
  assert.deepEqual([later.done.unloaded, later.done.failed, later.done.error], [0, 0, null]);
  assert.ok(later.ids.includes('C0') && later.ids.includes('WAITS'));
});
