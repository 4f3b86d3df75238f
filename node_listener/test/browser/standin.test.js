// The stand-in is tested by the real library in a real browser, unmodified and without our listener around it. The first
// test is that it CAN send: otherwise "nothing was sent" would prove nothing.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import puppeteer from 'puppeteer';
import { startStandin } from '../../standin/server.js';
import { SHOP, setUp, setUpAlone } from '../support/bare-client.js';
import { launchOptions } from '../support/browser.js';
import { LIMIT, until } from '../support/waiting.js';

const ANA = '5491155550001';
const BETO = '5491155550002';

/** @typedef {import('../../standin/server.js').Standin} Standin */
/** @typedef {import('../support/bare-client.js').BareClient} BareClient */

/** What the page's own store holds, by its own keys. @param {BareClient} client @returns {Promise<any[]>} */
function storedMessages(client) {
  return client.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open('model-storage');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const asked = opening.result.transaction('messages').objectStore('messages').getAll();
          asked.onsuccess = () => {
            opening.result.close();
            resolve(asked.result);
          };
        };
      }),
  );
}

/** Every message of a chat: those in memory, then page after page of older ones. @param {BareClient} client @param {string} phone */
function readChat(client, phone) {
  return client.evaluate(async (/** @type {string} */ id) => {
    const page = /** @type {any} */ (window);
    const chat = page.require('WAWebCollections').Chat.get(id);
    const bodies = (/** @type {any[]} */ msgs) => msgs.map((msg) => msg.body);
    const memory = bodies(chat.msgs.getModelsArray());
    const pages = [];
    for (;;) {
      const earlier = await page.require('WAWebChatLoadMessages').loadEarlierMsgs({ chat });
      if (earlier.length === 0) return { memory, pages };
      pages.push({
        bodies: bodies(earlier),
        new: earlier.filter((/** @type {any} */ msg) => msg.isNewMsg).length,
      });
    }
  }, `${phone}@c.us`);
}

/** @param {BareClient} client */
const socketOf = (client) =>
  client.evaluate(() => {
    const { Socket } = /** @type {any} */ (window).require('WAWebSocketModel');
    return { state: Socket.state, hasSynced: Socket.hasSynced };
  });

test('the bare library sends through the stand-in, and what it sends is recorded', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  await standin.act('deliver', { from: ANA, body: 'Hola', wait: LIMIT });
  const [message] = await client.next('message');

  const sent = await client.client.sendMessage(`${ANA}@c.us`, 'hola');
  await message.react('👍');
  await client.client.sendPresenceUnavailable();
  await (await message.getChat()).sendStateTyping();
  await until(() => standin.state().sent.length === 4 && standin.state().presence.length === 4);

  assert.equal(sent.body, 'hola');
  assert.equal(sent.fromMe, true);
  await client.next('message_create', (created) => created.fromMe && created.body === 'hola');
  const { presence, ...records } = standin.state();
  const calls = records.sent.map((/** @type {any} */ record) => `${record.module}.${record.function}`);
  assert.deepEqual(calls, [
    'WAWebUpdateUnreadChatAction.sendSeen',
    'WAWebSendMsgChatAction.addAndSendMsgToChat',
    'WAWebSendReactionMsgAction.sendReactionToMsg',
    'WAWebChatStateBridge.sendChatStateComposing',
  ]);
  assert.match(JSON.stringify(records.sent[1]), /5491155550001@c\.us.*"body":"hola"/);
  const announced = presence.map((/** @type {any} */ record) => record.available);
  assert.deepEqual(announced, [true, true, false, false], 'the page itself, then sendSeen, then we');
});

test('each way of sending or changing that the library has is recorded', async (context) => {
  const { standin, newClient } = await setUp(context);
  const linked = await newClient().startLinked(standin, { ...SHOP, platform: 'smba' });
  const { client } = linked;
  const chatId = `${ANA}@c.us`;
  const groupId = '120363000000000001@g.us';
  await standin.act('deliver', { from: groupId, author: BETO, body: 'grupo' });
  await standin.act('deliver', { from: ANA, body: 'Hola', wait: LIMIT });
  await linked.next('message', (received) => received.from === chatId); // acknowledged comes before in memory
  const chat = await client.getChatById(chatId);
  const group = await client.getChatById(groupId);
  const [message] = await chat.fetchMessages({ limit: 1 });
  const contact = await client.getContactById(chatId);
  /** @type {Record<string, () => Promise<unknown>>} */
  const ways = {
    'Cmd.archiveChat': () => client.archiveChat(chatId),
    'Cmd.pinChat': () => client.pinChat(chatId),
    'Cmd.markChatUnread': () => client.markChatUnread(chatId),
    'mute.mute': () => client.muteChat(chatId),
    'mute.unmute': () => client.unmuteChat(chatId),
    setMyStatus: () => client.setStatus('abierto'),
    setPushname: () => client.setDisplayName('Otra'),
    requestDeletePicture: () => client.deleteProfilePicture(),
    saveContactAction: () => client.saveOrEditAddressbookContact(ANA, 'Ana', 'García'),
    deleteContactAction: () => client.deleteAddressbookContact(ANA),
    createGroup: () => client.createGroup('grupo', [chatId]),
    joinGroupViaInvite: () => client.acceptInvite('CODE'),
    createEventCallLink: () => client.createCallLink(new Date(), 'voice'),
    setAutoDownloadPhotos: () => client.setAutoDownloadPhotos(true),
    sendSeen: () => chat.sendSeen(),
    sendChatStateRecording: () => chat.sendStateRecording(),
    sendChatStatePaused: () => chat.clearState(),
    sendClear: () => chat.clearMessages(),
    sendDelete: () => chat.delete(),
    addAndSendMsgToChat: () => message.reply('hola'),
    sendReactionToMsg: () => message.react('👍'),
    forwardMessages: () => message.forward(chatId),
    sendPinInChatMsg: () => message.pin(60),
    'Cmd.sendStarMsgs': () => message.star(),
    'Cmd.sendUnstarMsgs': () => message.unstar(),
    'Cmd.sendDeleteMsgs': () => message.delete(false),
    blockContact: () => contact.block(),
    unblockContact: () => contact.unblock(),
    setGroupSubject: () => group.setSubject('otro'),
    setGroupDescription: () => group.setDescription('otra'),
    setGroupProperty: () => group.setMessagesAdminsOnly(true),
    sendExitGroup: () => group.leave(),
    'Socket.logout': () => client.pupPage.evaluate('require("WAWebSocketModel").Socket.logout()'),
  };
  /** @type {string[]} */
  const missed = [];
  for (const [name, send] of Object.entries(ways)) {
    const before = standin.state().sent.length;
    const failed = await send().then(
      () => '',
      (error) => `: ${error}`,
    );
    const recorded = () => standin.state().sent.slice(before);
    const found = () => recorded().some((/** @type {any} */ record) => record.function === name);
    await until(found, 10_000).catch(() => missed.push(`${name}${failed}`));
  }
  assert.deepEqual(missed, []);
});

for (const [keyShape, property, other] of /** @type {const} */ ([
  ['serialized', '_serialized', '$1'],
  ['dollar', '$1', '_serialized'],
])) {
  test(`a scan leads to authenticated, ready and messages, with keys that carry ${property}`, async (context) => {
    const { standin, newClient } = await setUp(context, { keyShape });
    const client = await newClient().start();
    const [qr] = await client.next('qr');
    assert.equal(qr.split(',')[0], standin.state().qr_ref);
    await assert.rejects(standin.act('scan', { ...SHOP, qr: 'stale,code' }), /not the one that is shown now/);

    await standin.act('scan', { ...SHOP, qr });
    await client.next('ready');
    await standin.act('deliver', { from: ANA, body: 'Hola, precio?', notifyName: 'Ana' });
    const [message] = await client.next('message');

    const order = client.emitted
      .map(({ name }) => name)
      .filter((name) => /^(qr|auth|ready|message$)/.test(name));
    assert.deepEqual(order, ['qr', 'authenticated', 'ready', 'message']);
    assert.equal(client.client.info.wid._serialized, '5491155550100@c.us');
    assert.equal(message.body, 'Hola, precio?');
    assert.equal(message.from, '5491155550001@c.us');
    const { id } = message;
    assert.equal(id[property], `false_5491155550001@c.us_${id.id}`);
    assert.ok(!(other in id), `an id has ${property} only`);
    assert.deepEqual([id.fromMe, id.remote], [false, '5491155550001@c.us']);
    const chats = client.client.getChats();
    if (keyShape === 'serialized') assert.equal((await chats).length, 1);
    else await assert.rejects(chats, /No key or key range specified|DataError/, 'as in wwebjs#201848');
    assert.deepEqual(
      client.pageErrors.filter((text) => !/key range/.test(text)),
      [],
    );
  });
}

test('a browser killed after storing and before acknowledging loses nothing and duplicates nothing', async (context) => {
  const { standin, newClient } = await setUpAlone(context);
  const first = await newClient().startLinked(standin, SHOP);
  await standin.act('deliver', { from: ANA, body: 'uno', wait: LIMIT });
  await standin.act('hold', { phase: 'stored' });
  await standin.act('deliver', { from: ANA, body: 'dos' });
  await until(async () => (await storedMessages(first)).length === 2);
  assert.equal(standin.state().undelivered.length, 1);
  assert.equal(first.all('message').length, 1);

  await first.kill();
  await standin.act('release');
  const second = await newClient().start();
  await second.next('ready');

  assert.equal(standin.state().paired, true);
  assert.deepEqual(second.all('qr'), []);
  assert.deepEqual(standin.state().undelivered, []);
  const bodies = (await storedMessages(second)).map((record) => record.data.body);
  assert.deepEqual(bodies.sort(), ['dos', 'uno']);
  assert.deepEqual(second.all('message'), []);
});

test('a browser killed after acknowledging and before emitting leaves the message in its store only', async (context) => {
  const { standin, newClient } = await setUpAlone(context);
  const first = await newClient().startLinked(standin, SHOP);
  await standin.act('hold', { phase: 'acknowledged' });
  const { acknowledged } = await standin.act('deliver', { from: ANA, body: 'uno', wait: LIMIT });
  assert.equal(acknowledged, true);
  assert.deepEqual(first.all('message'), []);

  await first.kill();
  await standin.act('release');
  const second = await newClient().start();
  await second.next('ready');

  assert.deepEqual((await readChat(second, ANA)).memory, ['uno']);
  assert.deepEqual(second.all('message'), []);
});

test('what arrives while the browser is down is stored before hasSynced and never emitted', async (context) => {
  const { standin, newClient } = await setUpAlone(context, { pageSize: 10 });
  const first = await newClient().startLinked(standin, SHOP);
  await standin.act('deliver', { from: ANA, body: 'antes {n}', count: 25, wait: LIMIT });
  await first.next('message', (message) => message.body === 'antes 25');
  await first.stop();
  await standin.act('deliver', { from: ANA, body: 'durante {n}', count: 3 });
  await standin.act('own', { to: BETO, body: 'te llamo' });
  assert.equal(standin.state().undelivered.length, 4);

  await standin.act('hold', { phase: 'stored' });
  const second = await newClient().start();
  await until(async () => (await storedMessages(second)).length === 29);
  assert.deepEqual(await socketOf(second), { state: 'CONNECTED', hasSynced: false });
  await standin.act('release');
  await second.next('ready');

  assert.deepEqual(standin.state().undelivered, []);
  assert.deepEqual(second.all('loading_screen').at(-1), 100);
  assert.deepEqual([...second.all('message'), ...second.all('message_create')], []);
  const chat = await readChat(second, ANA);
  assert.deepEqual(
    chat.memory,
    ['antes 25', 'durante 1', 'durante 2', 'durante 3'],
    'the newest, and what arrived since',
  );
  assert.deepEqual(
    chat.pages.map((/** @type {any} */ page) => page.bodies.length),
    [10, 10, 4],
  );
  assert.equal(chat.pages[2].bodies[0], 'antes 1');
  assert.ok(chat.pages.every((/** @type {any} */ page) => page.new === 0));
  assert.deepEqual((await readChat(second, BETO)).memory, ['te llamo']);
  assert.deepEqual([...second.all('message'), ...second.all('message_create')], [], 'nor by loading it');
});

test('a page that reloads is ready again, and one that comes back synced is deaf', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  client.forget();
  await standin.act('reload');
  await client.next('ready');
  await standin.act('deliver', { from: ANA, body: 'uno' });
  await client.next('message');
  assert.equal(client.all('message').length, 1);

  client.forget();
  await standin.act('reload', { synced: true });
  await standin.act('wait', { for: 'loads', loads: 3 });
  await standin.act('wait', { for: 'synced' });
  const { acknowledged } = await standin.act('deliver', { from: ANA, body: 'dos', wait: LIMIT });
  assert.equal(acknowledged, true);
  assert.equal(await client.client.getState(), 'CONNECTED');
  await standin.act('throw', { message: 'after that' }); // takes the same way to Node, so by then a message would have arrived
  await until(() => client.pageErrors.includes('after that'));
  assert.deepEqual([...client.all('ready'), ...client.all('message')], []);
});

test('a logout wipes the session and shows a fresh QR, and another phone is another account', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  const [firstQr] = client.all('qr');
  await standin.act('deliver', { from: ANA, body: 'uno' });
  await client.next('message');
  client.forget();

  await standin.act('logout', { reason: 7 });
  const [reason] = await client.next('disconnected');
  const [qr] = await client.next('qr');
  assert.equal(reason, 'LOGOUT');
  assert.equal(client.client.pupPage.url(), 'https://web.whatsapp.com/?post_logout=1&logout_reason=7');
  assert.notEqual(qr, firstQr);
  assert.equal(standin.state().paired, false);
  assert.deepEqual(await storedMessages(client), []);

  await standin.act('scan', { phone: '5491155550200', name: 'Otra' });
  await client.next('ready');
  assert.equal(client.client.info.wid.user, '5491155550200');
  await standin.act('deliver', { from: BETO, body: 'dos' });
  const [message] = await client.next('message');
  assert.deepEqual([message.body, message.to], ['dos', '5491155550200@c.us']);
});

test('a pairing code links like a scan', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient({ pairWithPhoneNumber: { phoneNumber: SHOP.phone } }).start();
  const [code] = await client.next('code');
  assert.match(code, /^[A-Z1-9]{8}$/);
  await assert.rejects(standin.act('pair', { code: 'WRONG123' }), /not the code shown/);
  await standin.act('pair', { code });
  await client.next('ready');
  assert.deepEqual([client.all('qr'), client.client.info.wid.user], [[], SHOP.phone]);
});

test('the server rotates QR references', async (context) => {
  const { standin, newClient } = await setUp(context, { qrFirst: 300, qrPeriod: 100 });
  const client = await newClient().start();
  await client.next('qr', () => client.all('qr').length >= 3);
  assert.equal(new Set(client.all('qr')).size, client.all('qr').length);
  await standin.act('state', { state: 'UNPAIRED_IDLE' });
  await until(() => client.pageErrors.length > 0);
  assert.match(
    client.pageErrors[0],
    /window is not defined/,
    'the library requests a new QR in the wrong process',
  );
});

describe('with one linked client', () => {
  /** @type {Standin} */
  let standin;
  /** @type {BareClient} */
  let client;
  /** @type {(() => Promise<void>)[]} */
  const ends = [];
  before(async () => {
    const started = await setUpAlone({ after: (end) => void ends.push(end) });
    standin = started.standin;
    client = await started.newClient().startLinked(standin, SHOP);
  });
  after(async () => {
    for (const end of ends) await end();
  });

  /** @param {object} body @returns {Promise<string>} the id of a message that was delivered and emitted */
  async function delivered(body) {
    const [id] = (await standin.act('deliver', { from: ANA, ...body })).ids;
    await client.next('message', (message) => message.id.id === id);
    client.forget();
    return id;
  }

  test('an edit, a revocation and a deletion each have an event of their own', async () => {
    const id = await delivered({ body: 'Hola' });
    await standin.act('edit', { id, body: 'Hola, precio?' });
    const [edited, now, then] = await client.next('message_edit');
    assert.deepEqual([edited.id.id, now, then], [id, 'Hola, precio?', 'Hola']);

    await standin.act('revoke', { id });
    const [revoked, original] = await client.next('message_revoke_everyone');
    assert.deepEqual([revoked.id.id, revoked.type, original.body], [id, 'revoked', 'Hola, precio?']);

    const second = await delivered({ body: 'borrame' });
    await standin.act('revoke', { id: second, scope: 'me' });
    const [gone] = await client.next('message_revoke_me');
    assert.equal(gone.id.id, second);
    assert.ok(!(await storedMessages(client)).some((record) => record.stanza === second));
  });

  test('a reaction has its parent and its sender, and so has its removal', async () => {
    const id = await delivered({ body: 'Hola' });
    await standin.act('react', { id, emoji: '👍', from_me: true });
    const [reaction] = await client.next('message_reaction');
    assert.deepEqual([reaction.msgId.id, reaction.reaction], [id, '👍']);
    assert.equal(reaction.senderId, '5491155550100@c.us');
    await standin.act('react', { id, emoji: '' });
    const [back] = await client.next('message_reaction', (each) => each.reaction === '');
    assert.equal(back.senderId, '5491155550001@c.us');
  });

  test('a ciphertext is emitted, requested from our own phone, and becomes a message once decrypted', async () => {
    client.forget();
    const [id] = (await standin.act('ciphertext', { from: ANA })).ids;
    const [closed] = await client.next('message_ciphertext');
    assert.deepEqual([closed.id.id, closed.body], [id, '']);
    await until(() => standin.state().requests.length > 0);
    assert.deepEqual(/** @type {any} */ (standin.state().requests[0]).ids, [id]);
    assert.deepEqual(client.all('message'), []);
    await standin.act('decrypt', { id, body: 'Tienen stock?' });
    const [opened] = await client.next('message');
    assert.deepEqual([opened.id.id, opened.body, opened.type], [id, 'Tienen stock?', 'chat']);
    assert.deepEqual(client.all('message').length, 1);
  });

  test('a call rings, and leaves its line in the chat', async () => {
    client.forget();
    const { call_id } = await standin.act('call', { from: BETO, video: true });
    const [call] = await client.next('call');
    assert.deepEqual([call.id, call.fromMe, call.isVideo, call.from.user], [call_id, false, true, BETO]);
    const [line] = await client.next('message', (message) => message.type === 'call_log');
    assert.equal(line.from, `${BETO}@c.us`);
  });

  test('own messages from another device, groups and @lid senders keep their identities', async () => {
    client.forget();
    await standin.act('own', { to: ANA, body: 'Sí, hay' });
    const [own] = await client.next('message_create', (message) => message.body === 'Sí, hay');
    assert.deepEqual([own.fromMe, own.to, own.from], [true, `${ANA}@c.us`, `${SHOP.phone}@c.us`]);

    await standin.act('deliver', { from: '120363000000000001@g.us', author: BETO, body: 'grupo' });
    const [group] = await client.next('message', (message) => message.body === 'grupo');
    assert.deepEqual([group.author, group.id.participant.user], [`${BETO}@c.us`, BETO]);
    assert.match(group.id._serialized, /^false_120363000000000001@g\.us_\w+_5491155550002@c\.us$/);

    await standin.act('deliver', { from: '5491155550003', lid: '990000000003', body: 'con lid' });
    const [hidden] = await client.next('message', (message) => message.body === 'con lid');
    assert.deepEqual([hidden.from, hidden.to], ['990000000003@lid', '990000000100@lid']);
    const [found] = await client.client.getContactLidAndPhone(['990000000003@lid']);
    assert.deepEqual(found, { lid: '990000000003@lid', pn: '5491155550003@c.us' });
  });

  test('a saved contact and a business have what the page knows of them', async () => {
    await standin.act('contact', {
      phone: ANA,
      saved: 'Ana García',
      business: true,
      verified_name: 'García',
    });
    await standin.act('wait', { for: 'drained' });
    await until(async () => (await client.client.getContactById(`${ANA}@c.us`)).name === 'Ana García');
    const contact = await client.client.getContactById(`${ANA}@c.us`);
    assert.deepEqual([contact.isMyContact, contact.isBusiness, contact.verifiedName], [true, true, 'García']);
  });

  test('a dropped connection is TIMEOUT, OPENING, CONNECTED, and what arrived meanwhile is live', async () => {
    client.forget();
    await standin.act('offline');
    await client.next('change_state', (state) => state === 'TIMEOUT');
    await standin.act('deliver', { from: ANA, body: 'mientras tanto' });
    await standin.act('online');
    await client.next('message', (message) => message.body === 'mientras tanto');
    const states = client.all('change_state');
    assert.deepEqual(states.slice(0, 2), ['TIMEOUT', 'OPENING']);
    assert.equal(states.at(-1), 'CONNECTED');
    assert.deepEqual([...client.all('authenticated'), ...client.all('ready')], []);
    assert.deepEqual(standin.state().undelivered, []);
  });

  test('the same message again is a second event, and one record for each identity', async () => {
    const id = await delivered({ body: 'repetido' });
    await standin.act('same', { id, times: 2, lid: '990000000001' });
    await until(() => client.all('message').length >= 3);
    const seen = client.all('message').map((message) => [message.id.id, message.from]);
    const again = [id, `${ANA}@c.us`];
    assert.deepEqual(seen.sort(), [again, again, [id, '990000000001@lid']]);
    const records = (await storedMessages(client)).filter((record) => record.stanza === id);
    assert.equal(records.length, 2);
    for (let times = 0; times < 50; times += 1) {
      const { done } = await standin.act('same', { id, times: 1, wait: 0 });
      assert.equal(done, false); // it was not waited for, however quick the page is
    }
    await until(() => client.all('message').length >= 53);
  });

  test('a deaf page stores and acknowledges, stays CONNECTED, and emits nothing', async () => {
    client.forget();
    assert.equal((await standin.act('deaf')).done, true);
    const { acknowledged } = await standin.act('deliver', { from: ANA, body: 'nadie escucha', wait: LIMIT });
    await standin.act('undeaf');
    await standin.act('deliver', { from: ANA, body: 'de nuevo' });
    await client.next('message', (message) => message.body === 'de nuevo');
    assert.equal(acknowledged, true);
    assert.equal(client.all('message').length, 1);
    assert.deepEqual(await socketOf(client), { state: 'CONNECTED', hasSynced: true });
  });

  test('an error of the page shows only as pageerror', async () => {
    await standin.act('throw', { message: 'roto' });
    await until(() => client.pageErrors.includes('roto'));
  });

  test('a page that hangs does not answer until it is over', async () => {
    const before = Date.now();
    await standin.act('hang', { ms: 700 });
    assert.equal(await client.client.getState(), 'CONNECTED');
    assert.ok(Date.now() - before >= 600, `answered after ${Date.now() - before} ms`);
  });

  test('CONFLICT ends the library but not the session', async () => {
    client.forget();
    await standin.act('state', { state: 'CONFLICT' });
    const [reason] = await client.next('disconnected');
    assert.equal(reason, 'CONFLICT');
    assert.equal(standin.state().paired, true);
  });
});

test('history and bursts: 10,000 stored messages in 500 chats load quickly, 1,000 new ones come once each', async (context) => {
  const { standin, newClient } = await setUp(context);
  const first = await newClient().startLinked(standin, {
    ...SHOP,
    history: { chats: 500, messages: 10_000 },
  });
  assert.deepEqual(first.all('message'), [], 'history is not news');
  await standin.act('deliver', { from: '5491155551000', spread: 100, count: 1000, body: 'ráfaga {n}' });
  await first.next('message', (message) => message.body === 'ráfaga 1000');
  assert.equal(new Set(first.all('message').map((message) => message.body)).size, 1000);
  await first.stop();

  const second = await newClient().start();
  await second.next('ready');
  const loaded = await second.evaluate(() => {
    const { Msg, Chat } = /** @type {any} */ (window).require('WAWebCollections');
    const [mark] = performance.getEntriesByName('standin-loaded');
    return { chats: Chat.length, msgs: Msg.length, after: mark.startTime };
  });
  assert.deepEqual([loaded.chats, loaded.msgs], [600, 600], 'the newest of each chat');
  context.diagnostic(`loaded ${loaded.after} ms after the page began`);
  assert.ok(loaded.after < 30_000);
});

test('a browser trusts the key that was made for it and no other', async (context) => {
  const shared = process.env.STANDIN_CERTIFICATE;
  delete process.env.STANDIN_CERTIFICATE; // so that each makes its own
  const [ours, other] = await Promise.all([startStandin(), startStandin()]).finally(() => {
    if (shared !== undefined) process.env.STANDIN_CERTIFICATE = shared;
  });
  context.after(() => Promise.all([ours.close(), other.close()]));
  const args = [ours.browserArgs[0], other.browserArgs[1]];
  const browser = await puppeteer.launch(launchOptions(args));
  context.after(() => browser.close());
  const page = await browser.newPage();
  await assert.rejects(page.goto('https://web.whatsapp.com/'), /ERR_CERT/);
  await assert.rejects(page.goto('https://example.org/'), /ERR_NAME_NOT_RESOLVED/);
});

test('the program prints where it is, answers control, and ends when stdin closes', async () => {
  const main = new URL('../../standin/main.js', import.meta.url).pathname;
  const child = spawn(process.execPath, [main, '--key-shape', 'dollar'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  const said = JSON.parse(value);
  assert.deepEqual(Object.keys(said), ['page_port', 'control', 'browser_args']);

  const state = await (await fetch(`${said.control}/state`)).json();
  assert.deepEqual([state.key_shape, state.paired], ['dollar', false]);
  const refused = await fetch(`${said.control}/deliver`, { method: 'POST', body: '{}' });
  assert.equal(refused.status, 400);
  assert.match((await refused.json()).error, /scan first/);
  const unknown = await fetch(`${said.control}/send`, { method: 'POST' });
  assert.match((await unknown.json()).error, /unknown action send; known: scan, /);

  child.stdin.end();
  assert.equal(await ended, 0);
});
