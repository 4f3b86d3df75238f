// Repairs of known faults of the library that no other test covers; each of these fails without its repair. Others: a
// missed ready edge and stacked handlers in listener-sweep, swallowed errors, UNPAIRED_IDLE and the profile that LOGOUT
// deletes in listener-shutdown, renamed keys in listener-messages and records, missing modules in listener-compatibility,
// dialogs in listener-dialogs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listening } from '../support/listening.js';
import { until } from '../support/waiting.js';

const SHOP = { phone: '5491155550100', name: 'Tienda' };

test('half attached is not ready: the error is reported, attaching retried, and only then ready sent', async (context) => {
  const { standin, start } = await listening(context);
  const half = new URL('../support/half-attach.js', import.meta.url).href;
  const child = await start({}, { node: [`--import=${half}`] });
  await child.line('qr');
  await standin.act('scan', SHOP);
  const early = await child.line((line) => line.type === 'page_error' && /said ready/.test(line.message));
  const error = await child.line((line) => line.type === 'page_error' && /by half/.test(line.message));
  const ready = await child.line('ready');
  assert.ok(early.seq < error.seq && error.seq < ready.seq);
  assert.equal(ready.account.wid, '5491155550100@c.us');
  await standin.act('deliver', { id: 'HEARD', from: '5491155550001', body: 'hola' });
  await child.line((line) => line.id?.id === 'HEARD');
  assert.equal(child.ofType('ready').length, 1);
});

test('listeners of an attempt to attach that failed fall silent, and never meet a page without helpers', async (context) => {
  const { standin, start } = await listening(context);
  const twice = new URL('../support/attach-twice.js', import.meta.url).href;
  const child = await start({}, { node: [`--import=${twice}`] });
  await child.line('qr');
  await standin.act('scan', SHOP);
  await child.line((line) => line.type === 'page_error' && /and failed/.test(line.message));
  await standin.act('deliver', { id: 'BETWEEN', from: '5491155550001', body: 'hola' });
  await child.line('ready');
  await standin.act('deliver', { id: 'HEARD', from: '5491155550001', body: 'hola' });
  await child.line((line) => line.id?.id === 'HEARD');
  await standin.act('edit', { id: 'HEARD', body: 'chau' });
  await standin.act('edit', { id: 'HEARD', body: 'adiós' });
  await child.line((line) => line.type === 'message_edit' && line.body === 'adiós');
  assert.equal(child.ofType('message_edit').length, 2);
  assert.equal(child.lines.filter((line) => line.type === 'message' && line.id.id === 'HEARD').length, 1);
  const errors = child.ofType('page_error').map(({ message }) => message);
  assert.ok(
    errors.every((message) => /and failed/.test(message)),
    errors.join('; '),
  );
});

test('a page that syncs again while it is attached is not attached twice', async (context) => {
  const { standin, start } = await listening(context);
  const child = await start();
  await child.line('qr');
  await standin.act('scan', SHOP);
  await child.line('ready');
  await child.line('heartbeat');
  assert.equal((await standin.act('resync')).done, true);
  // nothing on the wire shows that no second attach began, and attaching takes less than a second
  const beats = child.ofType('heartbeat').length;
  await until(() => child.ofType('heartbeat').length > beats + 5);
  await standin.act('deliver', { id: 'ONCE', from: '5491155550001', body: 'hola' });
  await standin.act('deliver', { id: 'LAST', from: '5491155550001', body: 'chau' });
  await child.line((line) => line.id?.id === 'LAST');
  const beat = await child.line((line) => line.type === 'heartbeat' && line.added === 2);
  assert.equal(beat.emitted, 2);
  assert.equal(child.lines.filter((line) => line.id?.id === 'ONCE').length, 1);
  assert.deepEqual([child.ofType('authenticated').length, child.ofType('ready').length], [1, 1]);
  assert.deepEqual(child.ofType('page_error'), []);
});

/**
 * A profile that was linked and whose child has stopped, on a page that is offline now.
 * @param {import('../support/listening.js').Context} context
 */
async function linkedAndOffline(context) {
  const listener = await listening(context);
  const first = await listener.start();
  await first.line('qr');
  await listener.standin.act('scan', SHOP);
  await first.line('ready');
  first.send({ type: 'stop' });
  await first.exit;
  await listener.standin.act('offline');
  return listener;
}

test('endless OPENING is reported, outlives every timeout, and ends when the network is back', async (context) => {
  const { standin, start } = await linkedAndOffline(context);
  const protocol = 8_000;
  const second = await start({
    timing: { heartbeat: 300, authentication: 20_000, protocol, evaluate: 5_000 },
  });
  await second.line((line) => line.type === 'state' && line.state === 'OPENING');
  const since = Date.now();
  await until(() => Date.now() - since > protocol + 1_000); // initialize() hangs in one evaluation, which has timed out by then
  await second.answers();
  assert.deepEqual([...second.ofType('ready'), ...second.ofType('bye')], []);
  await standin.act('online');
  await second.line('ready');
});

test('an answer that Chromium loses is asked for again', async (context) => {
  const { standin, start } = await listening(context);
  await standin.act('offline'); // the library will wait in OPENING
  const lost = new URL('../support/lost-answer.js', import.meta.url).href;
  const child = await start(
    { browser_args: [...standin.browserArgs, '--js-flags=--expose-gc'] },
    { node: [`--import=${lost}`] },
  );
  await child.stderrHas('the answer will be lost');
  await standin.act('online');
  const next = await child.line((line) => ['qr', 'bye'].includes(line.type));
  assert.deepEqual([next.type, next.detail], ['qr', undefined]);
  await standin.act('scan', SHOP);
  const { type, detail } = await child.line((line) => ['ready', 'bye'].includes(line.type));
  assert.deepEqual([type, detail], ['ready', undefined]);
});

test('the child gives up a page that never comes up', async (context) => {
  const { standin, start } = await listening(context);
  await standin.act('hold', { phase: 'debug' });
  const child = await start({
    timing: { heartbeat: 300, authentication: 1_000, protocol: 20_000, evaluate: 5_000 },
  });
  const { reason, detail } = await child.line('bye');
  assert.deepEqual([reason, detail], ['initialize_failed', 'auth timeout']);
  assert.equal((await child.exit).code, 70);
});

test('a page that cannot be injected after a reload is reported, and does not end the child', async (context) => {
  const { standin, start } = await listening(context);
  const child = await start();
  await child.line('qr');
  await standin.act('scan', SHOP);
  await child.line('ready'); // by then initialize() has returned; before, it would be the one to fail
  const after = child.lines.length;
  await standin.act('missing', { modules: ['WAWebSocketModel'] });
  await standin.act('reload');
  await child.line((line) => line.type === 'page_error' && /WAWebSocketModel/.test(line.message), { after });
  const { missing } = await child.line('contract', { after });
  assert.deepEqual(
    missing.map((/** @type {any} */ each) => `${each.module}.${each.function} ${each.costs}`),
    ['WAWebSocketModel.Socket.on live', 'WAWebSocketModel.Socket.stream stream'],
  );
  const later = child.lines.length;
  await standin.act('missing', { modules: [] });
  await standin.act('reload');
  await child.line('ready', { after: later });
  assert.deepEqual(child.ofType('bye'), []);
});
