// Each fault of the control interface does to the bare library what the real page is known to do. Our listener is tested
// against these.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SHOP, setUp, setUpAlone } from '../support/bare-client.js';
import { LIMIT, until } from '../support/waiting.js';

const ANA = '5491155550001';

test('a renderer that crashes takes the page down and leaves the browser', async (context) => {
  const { standin, newClient } = await setUpAlone(context);
  const client = await newClient().startLinked(standin, SHOP);
  const crashed = new Promise((resolve) => client.client.pupPage.once('error', resolve));
  const { killed } = await standin.act('crash');
  assert.ok(killed.length > 0);
  assert.match(String(await crashed), /Page crashed/);
  assert.equal(client.client.pupBrowser.connected, true);
});

test('a module that is missing makes require throw', async (context) => {
  const { standin, newClient } = await setUp(context);
  await standin.act('missing', { modules: ['WAWebCallCollection'] });
  const client = await newClient().start();
  await standin.act('scan', SHOP);
  await client.next('authenticated');
  await until(() =>
    client.pageErrors.some((text) => text.includes('Requiring unknown module "WAWebCallCollection"')),
  );
  assert.deepEqual(client.all('ready'), []);
});

test('an account logged out while the browser was down lands on the logout page', async (context) => {
  const { standin, newClient } = await setUp(context);
  const first = await newClient().startLinked(standin, SHOP);
  await first.stop();
  await until(() => !standin.state().page_connected); // it hears of the browser's end a moment later
  assert.equal((await standin.act('logout', { reason: 5 })).done, false);
  const second = newClient();
  // The page leaves while the library injects: initialize() may fail of it, and that is how it is known in the field.
  await second.start().catch(() => {});
  await until(() => second.client.pupPage.url().endsWith('/?post_logout=1&logout_reason=5'));
  await standin.act('wait', { for: 'qr' });
  assert.equal(standin.state().paired, false);
});

test('what is sent again because its acknowledgement was lost is recognized, and not emitted twice', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  await standin.act('lose_acks');
  await standin.act('deliver', { from: ANA, body: 'uno' });
  await client.next('message');
  assert.equal(standin.state().undelivered.length, 1);
  await standin.act('lose_acks', { on: false });
  await standin.act('offline');
  await standin.act('online');
  await standin.act('wait', { for: 'drained' });
  await standin.act('deliver', { from: ANA, body: 'dos' });
  await client.next('message', (message) => message.body === 'dos');
  assert.deepEqual(
    client.all('message').map((message) => message.body),
    ['uno', 'dos'],
  );
  assert.equal((await client.client.getChatById(`${ANA}@c.us`)).unreadCount, 2);

  await standin.act('lose_acks');
  await standin.act('deliver', { from: ANA, body: '{n}', count: 2 });
  await client.next('message', (message) => message.body === '2');
  await client.stop();
  await standin.act('lose_acks', { on: false });
  const second = await newClient().start();
  await second.next('ready');
  assert.deepEqual(standin.state().undelivered, []);
  const memory = await second.evaluate(() =>
    /** @type {any} */ (window).require('WAWebCollections').Msg.map((/** @type {any} */ msg) => msg.body),
  );
  assert.deepEqual(memory, ['2'], 'what was stored before this start is not new');
  assert.equal((await second.client.getChatById(`${ANA}@c.us`)).unreadCount, 4);
});

test('a page that was loaded under a hold and connects after its release is not held', async (context) => {
  const { standin, newClient } = await setUp(context);
  const first = await newClient().startLinked(standin, SHOP);
  await first.stop();
  await standin.act('hold', { phase: 'stored' });
  await standin.act('offline');
  const second = newClient();
  const starting = second.start();
  await until(() => standin.state().page_loads === 2);
  await standin.act('release');
  await standin.act('online');
  await starting;
  await second.next('ready');
  const { acknowledged } = await standin.act('deliver', { from: ANA, body: 'uno', wait: LIMIT });
  assert.equal(acknowledged, true);
});

test('a hold and a logout that a dying page missed do not reach the next one', async (context) => {
  const { standin, newClient } = await setUpAlone(context);
  const first = await newClient().startLinked(standin, SHOP);
  await standin.act('hang');
  const unheard = [standin.act('hold', { phase: 'stored' }), standin.act('logout')];
  await first.kill();
  assert.deepEqual(
    (await Promise.all(unheard)).map(({ done }) => done),
    [false, false],
  );
  await standin.act('wait', { for: 'disconnected' });
  await standin.act('release');
  const pending = standin.state().pending_commands.map(({ name }) => name);
  assert.deepEqual(
    pending.filter((name) => name !== 'hang'),
    [],
  );
});

test('client.logout() of the library is recorded as something sent, and unlinks', async (context) => {
  const { standin, newClient } = await setUpAlone(context);
  const client = await newClient().startLinked(standin, SHOP);
  await client.logOut();
  assert.equal(standin.state().paired, false);
  const { module, function: name } = /** @type {any} */ (standin.state().sent[0]);
  assert.deepEqual([module, name], ['WAWebSocketModel', 'Socket.logout']);
});

test('hasSynced at boot means that neither authenticated nor ready is ever emitted', async (context) => {
  const { standin, newClient } = await setUp(context);
  const first = await newClient().startLinked(standin, SHOP);
  await first.stop();
  await standin.act('hold', { phase: 'synced' });
  const second = await newClient().start();
  const { acknowledged } = await standin.act('deliver', { from: ANA, body: 'uno', wait: LIMIT });
  assert.equal(acknowledged, true);
  assert.equal(await second.client.getState(), 'CONNECTED');
  assert.deepEqual(second.emitted, []);
});

test('OPENING for ever keeps initialize() from returning, and online ends it', async (context) => {
  const { standin, newClient } = await setUp(context, { retry: 50 });
  const first = await newClient().startLinked(standin, SHOP);
  await first.stop();
  await standin.act('offline');
  const second = newClient();
  let returned = false;
  const starting = second.start().then(() => {
    returned = true;
  });
  await until(() => standin.state().page_loads === 2 && Boolean(second.client.pupPage));
  await until(async () => (await second.client.getState().catch(() => null)) === 'OPENING');
  assert.equal(returned, false);
  await standin.act('online');
  await starting;
  await second.next('ready');
});

test('without Debug.VERSION the library gives up with the text auth timeout', async (context) => {
  const { standin, newClient } = await setUp(context);
  await standin.act('hold', { phase: 'debug' });
  const client = newClient({ authTimeoutMs: 500 });
  assert.equal(await client.start().catch((/** @type {unknown} */ error) => error), 'auth timeout');
});

test('with no network at all the page does not load', async (context) => {
  const { standin, newClient } = await setUp(context);
  await standin.act('offline', { all: true });
  await assert.rejects(newClient().start(), /net::ERR_/);
});

test('a sync that never ends is CONNECTED and not ready, until it is released and reloaded', async (context) => {
  const { standin, newClient } = await setUp(context);
  const first = await newClient().startLinked(standin, SHOP);
  await first.stop();
  await standin.act('hold', { phase: 'progress' });
  const second = await newClient().start();
  const { acknowledged } = await standin.act('deliver', { from: ANA, body: 'uno', wait: LIMIT });
  assert.equal(acknowledged, true);
  assert.equal(await second.client.getState(), 'CONNECTED');
  assert.deepEqual(second.all('ready'), []);
  await standin.act('release');
  await standin.act('reload');
  await second.next('ready');
});

test('a second browser with the same session puts the first into CONFLICT', async (context) => {
  const { standin, newClient } = await setUpAlone(context);
  const first = await newClient().startLinked(standin, SHOP);
  const browser = first.client.pupBrowser;
  const page = await browser.newPage(); // the same profile twice, as a copied profile would be
  await page.goto('https://web.whatsapp.com/');
  const [reason] = await first.next('disconnected');
  assert.equal(reason, 'CONFLICT');
});

test('pushState and an iframe make the library inject again, and QR events double', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().start();
  await standin.act('navigate', { kind: 'iframe' });
  await client.next('qr', () => client.all('qr').length === 2);
  await standin.act('navigate', { kind: 'pushState' });
  await client.next('qr', () => client.all('qr').length === 3);
  client.forget();
  await standin.act('rotate_qr');
  await until(() => client.all('qr').length === 3);
  assert.equal(new Set(client.all('qr')).size, 1);
});

test('a @lid whose phone only the server knows is found by a query, which is recorded', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  await standin.act('deliver', { from: ANA, lid: '990000000001', unmapped: true, body: 'Hola' });
  const [message] = await client.next('message');
  assert.equal(message.from, '990000000001@lid');
  assert.deepEqual(standin.state().queries, []);
  const [found] = await client.client.getContactLidAndPhone(['990000000001@lid']);
  assert.deepEqual(found, { lid: '990000000001@lid', pn: `${ANA}@c.us` });
  const [query] = /** @type {any[]} */ (standin.state().queries);
  assert.deepEqual([query.name, query.arguments], ['queryWidExists', ['990000000001@lid']]);
});

test('ids of chats and users can go to $1 as well', async (context) => {
  const { standin, newClient } = await setUp(context, { keyShape: 'dollar', widShape: 'dollar' });
  const client = await newClient().startLinked(standin, SHOP);
  await standin.act('deliver', { from: ANA, body: 'Hola' });
  const [message] = await client.next('message');
  assert.equal(message.from, undefined);
  assert.deepEqual(message._data.from, { server: 'c.us', user: ANA, $1: `${ANA}@c.us` });
});

test('another scan of the same phone brings everything as history and nothing as new', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  await standin.act('deliver', { from: ANA, body: 'uno' });
  await client.next('message');
  await standin.act('logout');
  await client.next('disconnected');
  client.forget();
  await standin.act('scan', SHOP);
  await client.next('ready');
  const msgs = await client.evaluate(() =>
    /** @type {any} */ (window)
      .require('WAWebCollections')
      .Msg.map((/** @type {any} */ msg) => [msg.body, msg.isNewMsg, msg.isMdHistoryMsg]),
  );
  assert.deepEqual(msgs, [['uno', false, true]]);
  assert.deepEqual(client.all('message'), []);
});

test("the next device's history has the edits, revocations and deletions made while none was linked", async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  for (const id of ['EDITED', 'REVOKED', 'DELETED'])
    await standin.act('deliver', { id, from: ANA, body: id });
  await client.next('message', (message) => message.body === 'DELETED');
  await standin.act('logout');
  await client.next('disconnected');
  await standin.act('edit', { id: 'EDITED', body: 'corregido' });
  await standin.act('revoke', { id: 'REVOKED' });
  await standin.act('revoke', { id: 'DELETED', scope: 'me' });
  client.forget();
  await standin.act('scan', SHOP);
  await client.next('ready');
  const messages = await client.evaluate(async () => {
    const { Chat } = /** @type {any} */ (window).require('WAWebCollections');
    const [chat] = Chat.getModelsArray();
    const { loadEarlierMsgs } = /** @type {any} */ (window).require('WAWebChatLoadMessages');
    await loadEarlierMsgs({ chat });
    return chat.msgs
      .getModelsArray()
      .map((/** @type {any} */ msg) => [
        msg.id.id,
        msg.type,
        msg.body ?? null,
        Boolean(msg.latestEditSenderTimestampMs),
      ]);
  });
  assert.deepEqual(messages.toSorted(), [
    ['EDITED', 'chat', 'corregido', true],
    ['REVOKED', 'revoked', null, false],
  ]);
});

test('acknowledgements and poll votes arrive', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  const [id] = (await standin.act('own', { to: ANA, body: 'Sí' })).ids;
  await standin.act('ack', { id, ack: 3 });
  const [acked, ack] = await client.next('message_ack');
  assert.deepEqual([acked.id.id, ack], [id, 3]);
  const poll = { type: 'poll_creation', pollName: 'Color?', pollOptions: [{ name: 'Rojo', localId: 0 }] };
  const [pollId] = (await standin.act('own', { to: ANA, ...poll })).ids;
  await standin.act('vote', { id: pollId, from: ANA, options: [0] });
  const [vote] = await client.next('vote_update');
  assert.deepEqual(vote.selectedOptions, [{ name: 'Rojo', localId: 0 }]);
});

test('a slow server delays the page and everything on its stream, in order', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  await standin.act('slow', { ms: 150 });
  const before = Date.now();
  await standin.act('deliver', { from: ANA, body: '{n}', count: 3 });
  await client.next('message', (message) => message.body === '3');
  assert.ok(Date.now() - before >= 450, `took ${Date.now() - before} ms`);
  assert.deepEqual(
    client.all('message').map((message) => message.body),
    ['1', '2', '3'],
  );
});

test('a browser that is killed from outside is gone', async (context) => {
  const { standin, newClient } = await setUpAlone(context);
  const client = await newClient().startLinked(standin, SHOP);
  const gone = new Promise((resolve) => client.client.pupBrowser.once('disconnected', resolve));
  await standin.act('crash', { what: 'browser' });
  await gone;
  await standin.act('wait', { for: 'disconnected' });
});
