// The page as its code of 2026 says it is: late modules, streams, refused connections, logouts by a plain reload, and
// hundreds of waiting messages after hasSynced.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { amount } from '../support/depth.js';
import { drivenListening, sharedChild, whileAway } from '../support/listening.js';
import { until } from '../support/waiting.js';

const SHOP = { phone: '5491155550100', name: 'Tienda' };

/**
 * @param {import('../support/listening.js').Context} context
 * @param {import('../../standin/options.js').GivenOptions} [options]
 */
const setUp = (context, options) => drivenListening(context, { ways: 'page', ...options });

/** @param {import('../support/child.js').Child} child */
async function stopped(child) {
  child.send({ type: 'stop' });
  await child.exit;
}

describe('with one linked child', () => {
  const { next } = sharedChild(setUp, ({ linked }) => linked());

  test('from the first module to the last chunk of history: linked, told by the heartbeat, and guarded late', async () => {
    const { child, drive } = next();
    await child.line((line) => line.type === 'heartbeat' && line.stream === 'CONNECTED');
    const coming = child.ofType('heartbeat').find((line) => line.history !== null);
    assert.equal(coming?.history ?? 'incoming', 'incoming');
    await child.line((line) => line.type === 'heartbeat' && line.history === 'complete');
    await until(async () => {
      await drive(`{
        const { forwardMessages } = leadmasterd.requireOriginal('WAWebChatForwardMessage');
        const message = 'blocked: ' + leadmasterd.isBlocked(forwardMessages);
        leadmasterd.report({ kind: 'page_error', source: 'listener', message });
      }`);
      return child.ofType('page_error').some(({ message }) => message === 'blocked: true');
    });
    const others = child.ofType('page_error').filter(({ message }) => !message.startsWith('blocked: '));
    assert.deepEqual(others, []);
  });

  test('types of messages that only the page knows are told', async () => {
    const { child, drive, line } = next();
    assert.deepEqual(child.ofType('page').at(-1)?.new_types, []);
    await drive(
      `Object.assign(leadmasterd.requireOriginal('WAWebMsgType').MSG_TYPE, { FAX: 'fax', N: 7, L: 'l'.repeat(99) })`,
    );
    child.send({ type: 'check_page', check: 1 });
    assert.deepEqual((await line('page')).new_types, ['fax', 'l'.repeat(60)]);
  });

  test('a replaced session is told by its stream within a heartbeat', async () => {
    const { standin, line, said, reload } = next();
    await standin.act('replaced');
    const { state } = await line(({ type, stream }) => type === 'state' && stream === 'DISCONNECTED');
    assert.equal(state, 'CONNECTED');
    await line(({ type, stream }) => type === 'heartbeat' && stream === 'DISCONNECTED');
    assert.deepEqual(said('disconnected'), []);
    await reload();
  });

  test('a temporary ban comes as an event and as a screen, and both end with it', async () => {
    const { standin, line } = next();
    const seconds = Math.floor(Date.now() / 1000);
    await standin.act('failure', { code: 402, expire: 600 });
    const { expires, code } = await line('banned');
    assert.equal(code, '101');
    assert.ok(Math.abs(expires - seconds - 600) < 60, `${expires}`);
    const { name, text } = await line('screen');
    assert.equal(name, 'temporary_ban');
    assert.match(text, /temporarily banned/);
    await standin.act('failure', { code: null });
    await line(({ type, shown }) => type === 'screen' && !shown);
    await standin.act('wait', { for: 'synced' });
  });

  test('503 is told as such, and is no end', async () => {
    const { standin, line, said, reload } = next();
    await standin.act('failure', { code: 503 });
    assert.equal((await line('unavailable')).code, 503);
    assert.deepEqual(said('disconnected'), []);
    await standin.act('failure', { code: null });
    await standin.act('wait', { for: 'synced' });
    await reload(); // the page never takes this screen away by itself
  });

  for (const [shown, name] of [
    ['temp_ban', 'temporary_ban'],
    ['locked', 'locked'],
    ['offline', 'offline'],
    ['logout', 'logout'],
  ])
    test(`the full screen ${shown} has no role; it is told after seconds, and its end`, async () => {
      const { standin, line } = next();
      const told = (/** @type {boolean} */ on) =>
        line((each) => each.type === 'screen' && each.name === name && each.shown === on);
      await standin.act('screen', { name: shown });
      await told(true);
      await standin.act('screen', { name: shown, on: false });
      await told(false);
    });
});

for (const [code, reason] of /** @type {[number, string | null][]} */ ([
  [403, '3'],
  [406, null],
])) {
  test(`a connection refused with ${code} is a logout`, async (context) => {
    const { standin, linked } = await setUp(context);
    const child = await linked();
    await standin.act('failure', { code });
    const line = await child.line('disconnected');
    assert.deepEqual([line.reason, line.logout_reason], ['LOGOUT', reason]);
    assert.match(line.by, /^(event|address)$/);
    assert.equal((await child.line('bye')).reason, 'logged_out');
  });
}

// By a plain reload, the page's own way: listener-shutdown.
for (const unlink of /** @type {const} */ (['params', 'post_logout'])) {
  test(`unlinked on the phone, and the page leaves by ${unlink}: told at once, and again when we were down`, async (context) => {
    const { standin, start, linked } = await setUp(context, { ways: { side: 'page', unlink } });
    const child = await linked();
    await standin.act('logout', { reason: 4 });
    const line = await child.line('disconnected');
    assert.deepEqual([line.reason, line.by], ['LOGOUT', 'event']);
    assert.equal(line.logout_reason, '4');
    await child.exit;

    const again = await linked();
    await stopped(again);
    await standin.act('logout', { reason: 4 });
    const down = await start();
    const told = await down.line('disconnected');
    assert.deepEqual([told.reason, told.by], ['LOGOUT', 'event']);
    assert.deepEqual(down.ofType('qr'), []);
  });
}

test('a first sync that takes too long ends by the page itself, which says why', async (context) => {
  const { standin, start } = await setUp(context, {
    ways: { side: 'page', sync_ms: 30_000 },
    syncLimitMs: 1_000,
  });
  const child = await start();
  await child.line('qr');
  await standin.act('scan', SHOP);
  const line = await child.line('disconnected');
  assert.deepEqual([line.reason, line.logout_reason], ['LOGOUT', '2']);
});

test('hundreds of messages that come after hasSynced, live and by a sweep beside: none is missing', async (context) => {
  const { standin, drive, linked } = await setUp(context);
  const child = await linked();
  const ids = Array.from({ length: amount(300, 900) }, (_, index) => `BURST${index}`);
  await whileAway({ standin, drive, child }, async () => {
    for (const [index, id] of ids.entries())
      await standin.act('deliver', { id, from: `54911555500${10 + (index % 30)}`, body: `hola ${index}` });
  });
  child.send({ type: 'sweep', sweep: 1, from: 0, chats: {}, ignore: [] });
  await child.line('sweep_done');
  const seen = () => new Set(child.ofType('message').map((line) => line.id.id));
  const missing = () => {
    const there = seen();
    return ids.filter((id) => !there.has(id));
  };
  await until(() => child.ofType('heartbeat').at(-1)?.added === child.ofType('heartbeat').at(-5)?.added);
  if (missing().length > 0) {
    const after = child.lines.length;
    child.send({ type: 'sweep', sweep: 2, from: 0, chats: {}, ignore: [] });
    await child.line('sweep_done', { after });
  }
  assert.deepEqual(missing(), []);
  const live = child.ofType('message').filter((line) => line.via === 'live');
  assert.ok(live.length > 0, 'nothing came live');
  assert.equal(new Set(live.map((line) => line.id.id)).size, live.length, 'a live message came twice');
  const beat = child.ofType('heartbeat').at(-1);
  assert.equal(beat?.added, beat?.emitted);
});
