// How a sweep reads a chat, in the ways in which WhatsApp Web lets it: from the disk, by paging back, with failures.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drivenListening } from '../support/listening.js';
import { sweep } from '../support/sweeping.js';

const ANA = '5491155550001@c.us';
const BETO = '5491155550002@c.us';
const SHOP = { phone: '5491155550100', name: 'Tienda' };
/** The page's own ways, or those of a page that cannot be read from the disk. */
const DISK = /** @type {const} */ ({});
const PAGING = /** @type {const} */ ({ find_local: false });
/** Seconds: some days ago, so that no chat counts as active. */
const T = Math.floor(Date.now() / 1000) - 10 * 86_400;

/**
 * A child that was linked and whose page has loaded again, so that memory holds what the page restores.
 * @param {import('node:test').TestContext} context
 * @param {Record<string, any>} standinOptions
 * @param {((act: (action: string, body?: any) => Promise<any>) => Promise<unknown>) | null} happens while the page is away
 * @param {Record<string, unknown>[]} [history]
 */
async function setUp(context, standinOptions, happens, history = []) {
  const options = { keyShape: 'dollar', pageSize: 5, loadRetry: 10, historyMs: 100, ...standinOptions };
  const { standin, start, drive } = await drivenListening(context, /** @type {any} */ (options));
  const child = await start();
  await child.line('qr');
  await standin.act('scan', { ...SHOP, history });
  await child.line((line) => line.type === 'heartbeat' && line.history === 'complete');
  if (happens) {
    // Cut off and loaded again: a page that was away, and costs no second browser.
    await standin.act('offline');
    await standin.act('wait', { for: 'disconnected' });
    await happens(standin.act);
    const [after, loads] = [child.lines.length, standin.state().page_loads + 1];
    await drive('location.reload()');
    await standin.act('wait', { for: 'loads', loads });
    await standin.act('online');
    await child.line('ready', { after });
  }
  if (standinOptions.ways.resume === undefined) {
    // What was delivered at this start is in memory still; after another load only what the page restores is.
    await standin.act('wait', { for: 'drained' });
    const after = child.lines.length;
    await standin.act('reload');
    await child.line('ready', { after });
  }
  return { standin, child };
}

/** @param {number} count */
const twelve = (count = 12) =>
  Array.from({ length: count }, (_, index) => ({
    from: ANA,
    id: `M${index + 1}`,
    body: `${index + 1}`,
    t: T + index,
  }));

test('the disk is read although paging back fails, and nothing is loaded into memory', async (context) => {
  const { standin, child } = await setUp(context, { ways: DISK }, null, twelve());
  await standin.act('load_fails');
  const { done, chats, ids } = await sweep(child);
  assert.deepEqual(
    ids,
    twelve().map(({ id }) => id),
    'oldest first',
  );
  assert.deepEqual([done.read_by, done.failed, done.error], ['disk', 0, null]);
  assert.equal(chats[0].through, T + 11);
  const again = await sweep(child);
  assert.equal(again.ids.length, 12);
});

for (const fault of ['load_fails', 'load_404']) {
  test(`paging back that fails (${fault}) leaves the chat in doubt, also in the next sweep, and no other`, async (context) => {
    const history = [...twelve(), { from: BETO, id: 'B1', body: 'otro', t: T }];
    const { standin, child } = await setUp(context, { ways: PAGING }, null, history);
    await standin.act(fault, { chat: ANA });
    for (let round = 0; round < 2; round += 1) {
      const { done, chats, ids } = await sweep(child, { from: T });
      assert.ok(ids.includes('M12'), 'what is in memory is still worth having');
      const ana = chats.find(({ chat }) => chat === ANA);
      assert.match(ana?.error, /did not load/);
      assert.equal(ana?.through, null);
      assert.ok(done.failed >= 1);
      assert.equal(done.read_by, 'paging');
      // The page has marked the end after the error: a later sweep must not take that for one.
      await standin.act(fault, { on: false, chat: ANA });
    }
    const start = child.lines.length;
    await standin.act('reload');
    await child.line('ready', { after: start });
    const { chats, ids } = await sweep(child, { from: T });
    assert.deepEqual(ids.filter((id) => id.startsWith('M')).length, 12, 'the next page load reads it');
    assert.equal(chats.find(({ chat }) => chat === ANA)?.error, null);
  });
}

test('a disk that fails is made good by paging back', async (context) => {
  const { standin, child } = await setUp(context, { ways: DISK }, null, twelve());
  await standin.act('find_fails');
  const { done, ids } = await sweep(child);
  assert.equal(ids.length, 12);
  assert.deepEqual([done.read_by, done.failed], ['paging', 0]);
  await standin.act('find_fails', { on: false });
  assert.equal((await sweep(child)).done.read_by, 'disk');
});

for (const [name, ways] of Object.entries({ disk: DISK, paging: PAGING })) {
  test(`a message with an old time ends no reading: ${name}`, async (context) => {
    const { child } = await setUp(
      context,
      { ways },
      async (act) => {
        const after = { from: ANA, body: 'x', t_step: 1 };
        await act('deliver', { ...after, id: 'A', t: T + 1001, count: 10 });
        await act('deliver', { from: ANA, id: 'LATE', body: 'atrasado', t: T + 500 });
        await act('deliver', { ...after, id: 'B', t: T + 1011, count: 45 }); // with LATE and some of A the newest page
      },
      twelve(),
    );
    const { ids } = await sweep(child, { from: T + 1000 });
    const inOrder = Array.from({ length: 55 }, (_, index) =>
      index < 10 ? `A-${index + 1}` : `B-${index - 9}`,
    );
    assert.deepEqual(ids, inOrder);
  });
}

const many = Array.from({ length: 300 }, (_, index) => ({
  from: `${5491155560000 + index}`,
  id: `C${index}`,
  body: 'hola',
  t: T + index,
}));

/**
 * One message waits at the server, and the page is held while it receives it.
 * @param {(act: string, body?: any) => Promise<any>} act
 */
async function heldDelivery(act) {
  await act('hold', { phase: 'stored' });
  await act('deliver', { from: ANA, id: 'WAITS', body: 'mientras', t: T + 5000 });
}

test('300 chats that the page has not loaded yet are read from the disk at once', async (context) => {
  const ways = /** @type {const} */ ({ ...DISK, resume: 'nonblocking', chats_in_memory: 5 });
  const { child, standin } = await setUp(context, { ways }, heldDelivery, many);
  const { done, ids, chats } = await sweep(child);
  assert.deepEqual(ids.toSorted(), [...many.map(({ id }) => id), 'WAITS'].toSorted());
  assert.deepEqual([done.unloaded, done.failed, done.read_by], [0, 0, 'disk']);
  assert.match(done.error, /still receiving/, 'older messages may still come: no line is drawn');
  assert.ok(chats.every(({ through }) => through === null));
  await standin.act('release');
  const later = await sweep(child);
  assert.deepEqual([later.done.failed, later.done.error], [0, null]);
});

test('chats that cannot be read before they are loaded are told, and a later sweep reads them', async (context) => {
  const ways = /** @type {const} */ ({ ...PAGING, paging: 'old', resume: 'nonblocking', chats_in_memory: 5 });
  const { child, standin } = await setUp(context, { ways }, heldDelivery, many);
  const began = Date.now();
  const { done, chats } = await sweep(child);
  assert.equal(done.unloaded, 295);
  assert.ok(done.failed >= 295);
  assert.match(
    chats.find(({ chat }) => chat.startsWith('5491155560000'))?.error,
    /has not loaded this chat yet/,
  );
  assert.ok(Date.now() - began < 60_000);
  await standin.act('release');
  const later = await sweep(child);
  assert.deepEqual([later.done.unloaded, later.done.failed, later.done.error], [0, 0, null]);
  assert.ok(later.ids.includes('C0') && later.ids.includes('WAITS'));
});

test('reactions of the time away are put on the wire with what is read', async (context) => {
  const { child } = await setUp(
    context,
    { ways: DISK },
    async (act) => {
      await act('deliver', { from: ANA, id: 'ASKED', body: 'precio?', t: T + 100 });
      await act('react', { id: 'ASKED', emoji: '👍', from_me: true, t: T + 200 });
      await act('react', { id: 'M11', emoji: '🙏', t: T + 210 });
    },
    twelve(),
  );
  const { lines } = await sweep(child, { from: T + 50 });
  const told = lines.filter(({ type }) => type === 'reaction');
  assert.deepEqual(
    told.map(({ id, from_me, emoji, t }) => [id.id, from_me, emoji, t]),
    [['ASKED', true, '👍', T + 200]],
    'of the messages since the time asked for',
  );
  const changes = await sweep(child, { from: T + 50, changes_from: T });
  const all = changes.lines.filter(({ type }) => type === 'reaction');
  assert.deepEqual(all.map(({ id }) => id.id).toSorted(), ['ASKED', 'M11']);
  assert.deepEqual(changes.ids, ['ASKED'], 'and no message before that');
});

for (const revokeId of /** @type {const} */ (['new', 'same'])) {
  test(`a look back brings edits and revocations, and no messages (revoke_id ${revokeId})`, async (context) => {
    const { child } = await setUp(
      context,
      { ways: { ...DISK, revoke_id: revokeId } },
      async (act) => {
        await act('revoke', { id: 'M2' });
        await act('edit', { id: 'M5', body: 'corregido', at: (T + 60) * 1000 });
      },
      twelve(),
    );
    const { lines, done, chats } = await sweep(child, { from: T + 1000, changes_from: T });
    assert.deepEqual(
      lines.filter(({ type }) => type !== 'heartbeat').map(({ type, id, body }) => [type, id?.id, body]),
      [
        ['message_revoke', 'M2', undefined],
        ['message_edit', 'M5', 'corregido'],
        ['sweep_chat', undefined, undefined],
      ],
    );
    assert.deepEqual([done.messages, done.looked_at, chats[0].found], [0, 1, 0]);
    const without = await sweep(child, { from: T + 1000 });
    assert.equal(without.done.looked_at, 0);
  });
}

test('what has just come is in memory only, and is read beside the disk', async (context) => {
  const ways = /** @type {const} */ ({ ...DISK, resume: 'nonblocking' });
  const { child, standin } = await setUp(
    context,
    { ways },
    async (act) => {
      await act('hold', { phase: 'stored' });
      await act('deliver', { from: ANA, id: 'FRESH', body: 'recién', t: T + 100 });
    },
    twelve(),
  );
  const { ids } = await sweep(child);
  assert.equal(ids.length, 13);
  assert.equal(ids.at(-1), 'FRESH');
  await standin.act('release');
});

test('a device at a provider is the business itself, and a sealed edit is an edit', async (context) => {
  const { child, standin } = await setUp(context, { ways: DISK }, null);
  await standin.act('deliver', { from: '5491155550009@hosted', id: 'HOSTED', body: 'desde el proveedor' });
  const live = await child.line(({ id }) => id?.id === 'HOSTED');
  assert.equal(live.contact.phone, '5491155550009@c.us');
  await standin.act('edit', { id: 'HOSTED', body: 'sellado', sealed: true });
  const edit = await child.line('message_edit');
  assert.deepEqual([edit.id.id, edit.body], ['HOSTED', 'sellado']);
  const { found } = await sweep(child);
  assert.deepEqual(
    found.map(({ id, body, contact }) => [id.id, body, contact.phone]),
    [['HOSTED', 'sellado', '5491155550009@c.us']],
    'and nothing else: the sealed edit is no message',
  );
});
