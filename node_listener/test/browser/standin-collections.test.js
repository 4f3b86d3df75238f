// How messages get into the collections and change there, each way of it, as the bare library and the page itself see it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SHOP, setUp } from '../support/bare-client.js';
import { LIMIT, until } from '../support/waiting.js';

const ANA = '5491155550001';
const BETO = '5491155550002';

/** @typedef {import('../support/bare-client.js').BareClient} BareClient */

/** The stored records of one stanza id, or of the message that a revocation has replaced. */
/** @param {BareClient} client @param {string} id @returns {Promise<any[]>} */
function stored(client, id) {
  return client.evaluate(
    (/** @type {string} */ wanted) =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open('model-storage');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const asked = opening.result.transaction('messages').objectStore('messages').getAll();
          asked.onsuccess = () => {
            opening.result.close();
            resolve(asked.result.filter((each) => each.stanza === wanted || each.replaced?.includes(wanted)));
          };
        };
      }),
    id,
  );
}

/** What the page's memory holds of a text. @param {BareClient} client @param {string} body */
const inMemory = (client, body) =>
  client.evaluate((/** @type {string} */ wanted) => {
    const { Msg, Chat } = /** @type {any} */ (window).require('WAWebCollections');
    const has = (/** @type {any} */ msgs) =>
      msgs.filter((/** @type {any} */ msg) => msg.body === wanted).length;
    return { msg: has(Msg), chat: Chat.map((/** @type {any} */ chat) => has(chat.msgs)).join('') };
  }, body);

/** Notes, at each new message and each change of a type, what the page knows at that moment. @param {BareClient} client */
const watch = (client) =>
  client.evaluate(() => {
    const page = /** @type {any} */ (window);
    const { Msg, Chat } = page.require('WAWebCollections');
    page.seen = [];
    Msg.on('add', (/** @type {any} */ msg) => {
      const chat = Chat.get(msg.id.remote);
      page.seen.push(['add', msg.body, Boolean(chat?.msgs.get(msg.id)), chat?.t === msg.t]);
    });
    Msg.on('change:body', (/** @type {any} */ msg) => page.seen.push(['body', msg.body, msg.type]));
    Msg.on('revoked', () => page.seen.push(['revoked'])); // without the message
    Msg.on('change:type', (/** @type {any} */ msg) => page.seen.push(['type', msg.type]));
    page.require('WAWebCallCollection').on('change:activeCall', (/** @type {any} */ call) => {
      page.seen.push(['call', call && `${call.peerJid}`, call?.getState() ?? null]);
    });
  });

/** @param {BareClient} client @returns {Promise<any[]>} */
const seen = (client) => client.evaluate(() => /** @type {any} */ (window).seen);

/** @param {import('../../standin/options.js').Side} side */
function linkedClient(side) {
  /** @type {import('../../standin/server.js').Standin} */
  let standin;
  /** @type {BareClient} */
  let client;
  /** @type {(() => Promise<void>)[]} */
  const ends = [];
  before(async () => {
    const page = { listeners: 'throw', add_order: 'msg_first', edit_key: 'edit', revoke_id: 'new' };
    const ways = side === 'page' ? { ...page, decrypt: 'one_set', calls: 'native', find_local: true } : {};
    const started = await setUp({ after: (end) => void ends.push(end) }, { ways });
    standin = started.standin;
    client = await started.newClient().startLinked(standin, SHOP);
    await watch(client);
  });
  after(async () => {
    for (const end of ends) await end();
  });
  return {
    client: () => client,
    standin: () => standin,
    /** @param {object} body @returns {Promise<string>} the id of a message that was delivered and emitted */
    async delivered(body) {
      const [id] = (await standin.act('deliver', { from: ANA, ...body })).ids;
      await client.next('message', (message) => message.id.id === id);
      return id;
    },
  };
}

describe('the page’s ways', () => {
  const { client, standin, delivered } = linkedClient('page');

  test('add fires in Msg before the chat has the message', async () => {
    await delivered({ body: 'primero' });
    assert.deepEqual((await seen(client())).at(-1), ['add', 'primero', false, false]);
    assert.deepEqual(await inMemory(client(), 'primero'), { msg: 1, chat: '1' });
  });

  test('a listener that throws skips the later ones, and its message gets into no chat', async () => {
    await standin().act('throwing_listener');
    await standin().act('deliver', { from: ANA, body: 'perdido', wait: LIMIT });
    await until(async () => (await inMemory(client(), 'perdido')).msg === 1);
    await standin().act('throwing_listener', { on: false });
    await delivered({ body: 'después' });
    assert.equal((await inMemory(client(), 'perdido')).chat, '0');
    assert.deepEqual(
      client()
        .all('message')
        .filter((message) => message.body === 'perdido'),
      [],
    );
    assert.deepEqual(
      client().pageErrors.filter((text) => text.includes('a listener throws')),
      [],
      'the page logs it itself',
    );
    const found = await client().evaluate(async (/** @type {string} */ id) => {
      const page = /** @type {any} */ (window);
      const remote = page.require('WAWebWidFactory').createWid(id);
      return (
        await page.require('WAWebDBMessageFindLocal').msgFindBefore({ anchor: { remote } })
      ).messages.map((/** @type {any} */ each) => each.body);
    }, `${ANA}@c.us`);
    assert.deepEqual(found.slice(-2), ['perdido', 'después'], 'the disk has it');
  });

  test('an edit carries its own key, sealed or not', async () => {
    for (const sealed of [false, true]) {
      const id = await delivered({ body: 'Hola' });
      const { edit_id } = await standin().act('edit', { id, body: 'Hola, precio?', sealed });
      const [edited] = await client().next('message_edit', (message) => message.id.id === id);
      assert.deepEqual([edited.body, edited.latestEditMsgKey.id], ['Hola, precio?', edit_id]);
      const [{ data }] = await stored(client(), id);
      assert.deepEqual([data.body, data.latestEditMsgKey.id], ['Hola, precio?', edit_id]);
    }
  });

  test('a revoked message takes the id of the revocation, on disk and in memory', async () => {
    const id = await delivered({ body: 'borrame', t: Math.floor(Date.now() / 1000) });
    const { revoke_id } = await standin().act('revoke', { id });
    const [revoked] = await client().next('message_revoke_everyone');
    assert.deepEqual([revoked.id.id, revoked.protocolMessageKey.id], [revoke_id, id]);
    assert.deepEqual([revoked.type, revoked.body], ['revoked', '']);
    const told = (await seen(client())).filter(([what]) => what === 'revoked' || what === 'type');
    assert.deepEqual(told, [['revoked'], ['type', 'revoked']], 'told before it changes');
    const records = await stored(client(), id);
    assert.deepEqual(
      records.map(({ data }) => [data.id, data.type, data.protocolMessageKey.id, data.body]),
      [[revoke_id, 'revoked', id, undefined]],
    );
    const known = await client().evaluate(
      (/** @type {string[]} */ keys) => {
        const { Msg, Chat } = /** @type {any} */ (window).require('WAWebCollections');
        return keys.map((key) => [
          Boolean(Msg.get(key)),
          Boolean(Chat.map((/** @type {any} */ c) => c.msgs.get(key)).find(Boolean)),
        ]);
      },
      [id, revoke_id].map((each) => `false_${ANA}@c.us_${each}`),
    );
    assert.deepEqual(known, [
      [false, false],
      [true, true],
    ]);
  });

  test('a message that is sent again after its revocation is not new', async () => {
    await standin().act('lose_acks');
    const id = await delivered({ body: 'otra vez' });
    await standin().act('revoke', { id });
    await client().next('message_revoke_everyone', (message) => message.protocolMessageKey?.id === id);
    await standin().act('lose_acks', { on: false });
    await standin().act('offline');
    await standin().act('online');
    await standin().act('wait', { for: 'drained' });
    await delivered({ body: 'fin' });
    const again = client()
      .all('message')
      .filter((message) => message.body === 'otra vez');
    assert.equal(again.length, 1);
    assert.equal((await stored(client(), id)).length, 1);
  });

  test('what is decrypted late changes all at once', async () => {
    const [id] = (await standin().act('ciphertext', { from: ANA })).ids;
    await client().next('message_ciphertext', (message) => message.id.id === id);
    await standin().act('decrypt', { id, body: 'Tienen stock?' });
    const [opened] = await client().next('message', (message) => message.id.id === id);
    assert.deepEqual([opened.body, opened.type], ['Tienen stock?', 'chat']);
    assert.deepEqual((await seen(client())).slice(-2), [
      ['body', 'Tienen stock?', 'chat'],
      ['type', 'chat'],
    ]);
  });

  test('a native call is active and in no collection, and leaves its line', async () => {
    await standin().act('call', { from: BETO, video: true });
    const [line] = await client().next('message', (message) => message.type === 'call_log');
    assert.equal(line._data.viewMode, 'VISIBLE');
    await until(async () => (await seen(client())).filter(([what]) => what === 'call').length === 2);
    assert.deepEqual(
      (await seen(client())).filter(([what]) => what === 'call'),
      [
        ['call', `${BETO}@c.us`, 'INCOMING_RING'],
        ['call', null, null],
      ],
    );
    assert.deepEqual(client().all('call'), []);

    await standin().act('call', { from: BETO, t: Math.floor(Date.now() / 1000) - 200_000 });
    const [old] = await client().next(
      'message',
      (message) => message._data.viewMode === 'CALL_LOG_OFFLINE_RESUME',
    );
    assert.equal(old.type, 'call_log', 'of another day: hidden in the chat');
  });
});

describe('the old ways', () => {
  const { client, standin, delivered } = linkedClient('old');

  test('add fires when the chat has the message', async () => {
    await delivered({ body: 'primero' });
    assert.deepEqual((await seen(client())).at(-1), ['add', 'primero', true, true]);
  });

  test('a listener that throws is an error of the page and no more', async () => {
    await standin().act('throwing_listener');
    await delivered({ body: 'llega' });
    await standin().act('throwing_listener', { on: false });
    assert.deepEqual(await inMemory(client(), 'llega'), { msg: 1, chat: '1' });
    await until(() => client().pageErrors.some((text) => text.includes('a listener throws')));
  });

  test('an edit names the message, a revocation keeps its id, a decryption changes the text first', async () => {
    const id = await delivered({ body: 'Hola' });
    await standin().act('edit', { id, body: 'Hola, precio?' });
    const [edited] = await client().next('message_edit');
    assert.equal(edited.latestEditMsgKey.id, id);
    await standin().act('revoke', { id });
    const [revoked] = await client().next('message_revoke_everyone');
    assert.deepEqual([revoked.id.id, revoked.protocolMessageKey.id], [id, id]);

    const [sealed] = (await standin().act('ciphertext', { from: ANA })).ids;
    await client().next('message_ciphertext');
    await standin().act('decrypt', { id: sealed, body: 'Tienen stock?' });
    await client().next('message', (message) => message.id.id === sealed);
    assert.deepEqual((await seen(client())).slice(-2), [
      ['body', 'Tienen stock?', 'ciphertext'],
      ['type', 'chat'],
    ]);
  });

  test('a call is in the collection', async () => {
    const { call_id } = await standin().act('call', { from: BETO });
    const [call] = await client().next('call');
    assert.equal(call.id, call_id);
    const [line] = await client().next('message', (message) => message.type === 'call_log');
    assert.equal(line._data.viewMode, undefined);
  });

  test('reactions come in bulk, again when they are read, and can be read back', async () => {
    const ids = [await delivered({ body: 'uno' }), await delivered({ body: 'dos' })];
    const reactions = [
      { id: ids[0], emoji: '👍', from_me: true },
      { id: ids[1], emoji: '❤️' },
    ];
    const { reaction_ids } = await standin().act('react', { reactions });
    await client().next('message_reaction', () => client().all('message_reaction').length === 2);
    await standin().act('react', { reactions: reactions.map((each) => ({ ...each, read: true })) });
    await client().next('message_reaction', () => client().all('message_reaction').length === 4);
    const emitted = client().all('message_reaction');
    assert.deepEqual(
      emitted.map((each) => [each.id.id, each.msgId.id, each.reaction, each.senderId, each.read]),
      [false, true].flatMap((read) => [
        [reaction_ids[0], ids[0], '👍', `${SHOP.phone}@c.us`, read],
        [reaction_ids[1], ids[1], '❤️', `${ANA}@c.us`, read],
      ]),
    );
    const rows = await client().evaluate(async (/** @type {string} */ id) => {
      const page = /** @type {any} */ (window);
      const key = page
        .require('WAWebCollections')
        .Msg.filter((/** @type {any} */ msg) => msg.id.id === id)[0].id;
      const { reactionTableMode } = page.require('WAWebAddonReactionTableMode');
      return (await reactionTableMode.bulkGetByParentMsgKey([key])).map((/** @type {any} */ row) => [
        row.reactionText,
        row.id.id,
        row.reactionParentKey.id,
        `${row.author ?? row.from}`,
        row.read,
      ]);
    }, ids[0]);
    assert.deepEqual(rows, [['👍', reaction_ids[0], ids[0], `${SHOP.phone}@c.us`, true]]);
    await assert.rejects(standin().act('react', { id: ids[0], from: BETO, read: true }), /has not reacted/);
  });

  test('our message to a list is in the chat of each recipient', async () => {
    await assert.rejects(
      standin().act('own', { to: ANA, body: 'no', recipients: [ANA] }),
      /only `own` to a list/,
    );
    const recipients = [ANA, BETO];
    const [id] = (await standin().act('own', { to: '5491155550100@broadcast', body: 'Feria', recipients }))
      .ids;
    await client().next(
      'message_create',
      () =>
        client()
          .all('message_create')
          .filter((each) => each.body === 'Feria').length === 3,
    );
    const copies = client()
      .all('message_create')
      .filter((each) => each.body === 'Feria');
    assert.deepEqual(
      copies.map((each) => [each.id.id, each.to, each.broadcast ?? false]),
      [
        [id, '5491155550100@broadcast', false],
        [id, `${ANA}@c.us`, true],
        [id, `${BETO}@c.us`, true],
      ],
    );
    assert.deepEqual(
      (await stored(client(), id)).map(({ chat, data }) => [chat, data.broadcast, data.broadcastId]),
      [
        ['5491155550001@c.us', true, '5491155550100@broadcast'],
        ['5491155550002@c.us', true, '5491155550100@broadcast'],
        ['5491155550100@broadcast', undefined, undefined],
      ],
    );
  });

  test('a change names the chat, where two have a message with one id', async () => {
    const [hers, his] = [ANA, BETO].map((phone) => `${phone}@c.us`);
    for (const from of [ANA, BETO]) await standin().act('deliver', { from, id: 'ONE', body: `de ${from}` });
    await assert.rejects(standin().act('edit', { id: 'ONE', chat: '1@c.us', body: 'no' }), /in 1@c\.us/);
    await standin().act('edit', { id: 'ONE', chat: his, body: 'otra cosa' });
    await standin().act('react', { id: 'ONE', chat: hers, emoji: '👍' });
    await standin().act('wait', { for: 'drained' });
    const records = () => stored(client(), 'ONE');
    assert.deepEqual(
      (await records()).map(({ chat, data }) => [chat, data.body, data.hasReaction]),
      [
        [hers, `de ${ANA}`, true],
        [his, 'otra cosa', undefined],
      ],
    );
    await standin().act('revoke', { id: 'ONE', chat: hers });
    await standin().act('wait', { for: 'drained' });
    assert.deepEqual((await records()).map(({ chat, data }) => [chat, data.type]).sort(), [
      [hers, 'revoked'],
      [his, 'chat'],
    ]);
  });

  test('hosted accounts write under servers of their own', async () => {
    for (const from of ['5491155550007:99@hosted', '990000000007:99@hosted.lid'].map((each) =>
      each.replace(':99', ''),
    )) {
      await standin().act('deliver', { from, body: `de ${from}` });
      const [message] = await client().next('message', (each) => each.body === `de ${from}`);
      assert.equal(message.from, from);
    }
    const own = client()
      .all('message')
      .filter((each) => /hosted/.test(each.from))
      .map((each) => each.to);
    assert.deepEqual(own, [`${SHOP.phone}@c.us`, `${SHOP.lid}@lid`]);
  });
});

test('a call that was missed while away is hidden in its chat', async (context) => {
  const { standin, newClient } = await setUp(context, { ways: { calls: 'native' } });
  const first = await newClient().startLinked(standin, SHOP);
  await first.stop();
  await standin.act('call', { from: BETO });
  const second = await newClient().start();
  await second.next('ready');
  const modes = await second.evaluate(() =>
    /** @type {any} */ (window)
      .require('WAWebCollections')
      .Msg.map((/** @type {any} */ msg) => [msg.type, msg.viewMode]),
  );
  assert.deepEqual(modes, [['call_log', 'CALL_LOG_OFFLINE_RESUME']]);
});

test('a newly linked page gets the reactions with its history, by the same function', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  const [id] = (await standin.act('deliver', { from: ANA, body: 'Hola', wait: LIMIT })).ids;
  await standin.act('react', { id, emoji: '👍', from_me: true });
  await standin.act('react', { id, emoji: '❤️' });
  await standin.act('react', { id, emoji: '🙏', from: BETO });
  await standin.act('react', { id, emoji: '', from: BETO });
  await client.next('message_reaction', () => client.all('message_reaction').length === 4);
  const has = () =>
    client.evaluate(
      () => /** @type {any} */ (window).require('WAWebCollections').Msg.getModelsArray()[0].hasReaction,
    );
  assert.equal(await has(), true, 'the others stand');
  await standin.act('logout');
  await client.next('disconnected');
  await standin.act('scan', SHOP);
  await client.next('ready', () => client.all('ready').length === 2);
  const rows = await client.evaluate(async () => {
    const page = /** @type {any} */ (window);
    const [msg] = page.require('WAWebCollections').Msg.getModelsArray();
    const { reactionTableMode } = page.require('WAWebAddonReactionTableMode');
    const found = await reactionTableMode.bulkGetByParentMsgKey([msg.id]);
    return [msg.reactions ?? null, found.map((/** @type {any} */ row) => row.reactionText)];
  });
  assert.deepEqual([rows[0], rows[1].toSorted()], [null, ['❤️', '👍'].toSorted()]);
  assert.equal(await has(), true);
});

test('a chunk of history does not make a message old that is stored and not emitted yet', async (context) => {
  const { standin, newClient } = await setUp(context, { historyMs: 40, ways: { history: 'chunks' } });
  await standin.act('history_late', { seconds: 600 });
  const client = await newClient().startLinked(standin, SHOP);
  await standin.act('hold', { phase: 'acknowledged' });
  await standin.act('deliver', { from: ANA, body: 'nuevo', wait: LIMIT });
  await standin.act('history_late', { seconds: 0 });
  await until(() => standin.state().history_chunks === 0);
  await standin.act('release');
  await client.next('message', (message) => message.body === 'nuevo');
});
