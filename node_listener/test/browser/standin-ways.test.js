// Each way of the page that ways.js declares for its start, its states and its end, beside the old one: the bare library or
// a bare browser in front of the stand-in, without our listener.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openPage, SHOP, setUp, setUpAlone } from '../support/bare-client.js';
import { LIMIT, until } from '../support/waiting.js';

/** @typedef {import('../support/bare-client.js').BareClient} BareClient */

const ANA = '5491155550001';
const BETO = '5491155550002';

/** The library waits for nothing that the page says only once, so a test of it needs this old way. */
const WATCHED = { wait_for_listener: true };

/** Records in the page, over reloads, the states and streams of the socket and the events of Cmd. */
function recordPage() {
  const page = /** @type {any} */ (window);
  const told = (/** @type {string[]} */ said) =>
    sessionStorage.setItem(
      'told',
      JSON.stringify([...JSON.parse(sessionStorage.getItem('told') ?? '[]'), said]),
    );
  const watch = () => {
    let modules;
    try {
      modules = { ...page.require('WAWebSocketModel'), ...page.require('WAWebCmd') };
    } catch {
      return void setTimeout(watch, 1);
    }
    const { Socket, Cmd } = modules;
    told(['state', Socket.state]);
    Socket.on('change:state', (/** @type {any} */ _, /** @type {string} */ state) => told(['state', state]));
    Socket.on('change:stream', (/** @type {any} */ _, /** @type {string} */ stream) =>
      told(['stream', stream]),
    );
    for (const name of [
      'starting_logout_from_bridge',
      'logout_from_bridge',
      'service_unavailable_503_from_bridge',
      'offline_delivery_state_reset_from_bridge',
      'offline_delivery_end_from_bridge',
      'account_temporarily_banned_from_bridge',
    ])
      Cmd.on(name, (/** @type {any} */ about) => told(['event', name, about]));
  };
  document.addEventListener('DOMContentLoaded', watch);
}

/** @param {import('puppeteer').Page} page @param {string} [kind] @returns {Promise<any[]>} */
async function toldBy(page, kind) {
  const read = () => page.evaluate(() => sessionStorage.getItem('told') ?? '[]').catch(() => null);
  let text = await read();
  while (text === null) text = await read(); // it was loading
  /** @type {any[][]} */
  const all = JSON.parse(text);
  return kind ? all.filter(([each]) => each === kind).map(([, said]) => said) : all;
}

/** @param {import('puppeteer').Page} page */
const streamModel = (page) =>
  page.evaluate(() => {
    const { mode, info, available } = /** @type {any} */ (window).require('WAWebStreamModel').Stream;
    return { mode, info, available };
  });

/** The words that a person would see. @param {import('puppeteer').Page} page */
const words = (page) =>
  page.evaluate(() => /** @type {any} */ (document.getElementById('app')).innerText.replace(/\s+/g, ' '));

/** How many messages are on disk. @param {import('puppeteer').Page} page @returns {Promise<number>} */
const stored = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        const opening = indexedDB.open('model-storage');
        opening.onsuccess = () => {
          const asked = opening.result.transaction('messages').objectStore('messages').count();
          asked.onsuccess = () => {
            opening.result.close();
            resolve(asked.result);
          };
        };
      }),
  );

/** @param {import('puppeteer').Page} page @returns {Promise<string[]>} bodies in memory, by time */
const inMemory = (page) =>
  page.evaluate(() =>
    /** @type {any} */ (window)
      .require('WAWebCollections')
      .Msg.getModelsArray()
      .sort((/** @type {any} */ a, /** @type {any} */ b) => a.t - b.t)
      .map((/** @type {any} */ msg) => msg.body),
  );

/** @param {string[]} states @param {string[]} wanted */
function assertInOrder(states, wanted) {
  let from = 0;
  for (const each of wanted) {
    const place = states.indexOf(each, from);
    assert.ok(place >= 0, `no ${each} after place ${from} of ${states.join(', ')}`);
    from = place + 1;
  }
}

describe('resume', () => {
  test('nonblocking: hasSynced comes first, then messages are new, in memory before they are on disk', async (context) => {
    const { standin, page } = await openPage(context, {
      resumeMs: 20,
      ways: { resume: 'nonblocking', wait_for_listener: false },
    });
    await standin.act('scan', SHOP);
    await standin.act('wait', { for: 'synced' });
    await page.goto('about:blank');
    await standin.act('wait', { for: 'disconnected' });
    await standin.act('deliver', { from: ANA, body: '{n}', count: 100 });
    await page.goto('https://web.whatsapp.com/');
    await standin.act('wait', { for: 'synced' });
    await until(async () => (await inMemory(page)).length >= 20);

    const progress = await page.evaluate(() => {
      const { Cmd } = /** @type {any} */ (window).require('WAWebCmd');
      const { OfflineMessageHandler } = /** @type {any} */ (window).require('WAWebOfflineHandler');
      const { Msg } = /** @type {any} */ (window).require('WAWebCollections');
      return {
        ended: Cmd.isOfflineDeliveryEnd,
        percent: OfflineMessageHandler.getOfflineDeliveryProgress(),
        allNew: Msg.getModelsArray().every((/** @type {any} */ msg) => msg.isNewMsg),
      };
    });
    assert.equal(progress.ended, false);
    assert.ok(progress.percent > 0 && progress.percent < 96, `${progress.percent}`);
    assert.equal(progress.allNew, true);
    assert.equal(await stored(page), 0);
    assert.equal(standin.state().undelivered.length, 100);

    await standin.act('wait', { for: 'drained' });
    assert.equal(await stored(page), 100);
    assert.equal((await inMemory(page)).length, 100);
    const ended = () => /** @type {any} */ (window).require('WAWebCmd').Cmd.isOfflineDeliveryEnd;
    await until(() => page.evaluate(ended));
  });

  test('nonblocking: a browser killed in the middle gets everything again, and nothing twice', async (context) => {
    const { standin, newClient } = await setUpAlone(context, {
      resumeMs: 20,
      ways: { ...WATCHED, resume: 'by_count' },
    });
    const first = await newClient().startLinked(standin, SHOP);
    await first.stop();
    await standin.act('deliver', { from: ANA, body: '{n}', count: 300 });
    const second = newClient();
    await second.start();
    await second.next('ready');
    await until(() => second.all('message').length > 20);
    assert.equal(standin.state().undelivered.length, 300);
    await second.kill();

    await standin.act('wait', { for: 'disconnected' });
    const third = await newClient().start();
    await third.next('ready');
    await standin.act('wait', { for: 'drained' });
    const bodies = await inMemory(third.client.pupPage);
    assert.equal(bodies.length, 300);
    assert.equal(new Set(bodies).size, 300);
    assert.equal(await stored(third.client.pupPage), 300);
    assert.equal((await third.client.getChatById(`${ANA}@c.us`)).unreadCount, 300);
  });

  test('by_count: from 1000 waiting messages on they are stored before hasSynced, and none is emitted', async (context) => {
    const { standin, newClient } = await setUp(context, {
      resumeMs: 0,
      ways: { ...WATCHED, resume: 'by_count' },
    });
    const first = await newClient().startLinked(standin, SHOP);
    await first.stop();
    await standin.act('deliver', { from: ANA, body: '{n}', count: 1000, t: 1_700_000_000, t_step: 1 });
    const second = await newClient().start();
    await second.next('ready');
    assert.equal(standin.state().undelivered.length, 0);
    assert.deepEqual(second.all('message'), []);
    assert.deepEqual(await inMemory(second.client.pupPage), ['1000'], 'only what a restart restores');
    await standin.act('deliver', { from: ANA, body: 'nuevo' });
    await second.next('message', (message) => message.body === 'nuevo');
  });

  test('what comes while the connection is cut is resumed in the open page, up to the limit', async (context) => {
    const { standin, newClient } = await setUp(context, {
      ways: { ...WATCHED, resume: 'by_count', reconnect: 'opening', reconnect_limit: 5 },
    });
    const client = await newClient().startLinked(standin, SHOP);
    await standin.act('offline');
    await standin.act('deliver', { from: ANA, body: '{n}', count: 4 });
    await standin.act('online');
    await client.next('message', (message) => message.body === '4');
    await standin.act('wait', { for: 'drained' });
    assert.equal(standin.state().page_loads, 1);
    assert.equal(client.all('message').length, 4);

    await standin.act('offline');
    await standin.act('deliver', { from: ANA, body: 'de {n}', count: 5 });
    await standin.act('online');
    await standin.act('wait', { for: 'loads', loads: 2 });
    await standin.act('wait', { for: 'drained' });
    await until(async () => (await inMemory(client.client.pupPage).catch(() => [''])).includes('de 5'));
  });

  test('what was in memory only when the connection dropped is stored once it is back', async (context) => {
    const { standin, page } = await openPage(context, {
      resumeMs: 10,
      ways: { resume: 'nonblocking', reconnect: 'opening', wait_for_listener: false },
    });
    await standin.act('scan', SHOP);
    await standin.act('wait', { for: 'synced' });
    await page.goto('about:blank');
    await standin.act('wait', { for: 'disconnected' });
    await standin.act('deliver', { from: ANA, body: '{n}', count: 60 });
    await page.goto('https://web.whatsapp.com/');
    await until(async () => (await inMemory(page).catch(() => [])).length >= 10);
    await standin.act('offline');
    await standin.act('online');
    await standin.act('wait', { for: 'drained' });
    assert.equal(await stored(page), 60);
    assert.equal((await inMemory(page)).length, 60);
    const ended = () => /** @type {any} */ (window).require('WAWebCmd').Cmd.isOfflineDeliveryEnd;
    await until(() => page.evaluate(ended));
  });
});

describe('history and the first sync', () => {
  const HISTORY = [
    { from: ANA, body: 'ana 1', t: 1_700_000_000 },
    { from: ANA, body: 'ana 2', t: 1_700_000_100 },
    { from: BETO, body: 'beto 1', t: 1_700_000_200 },
    { from: ANA, body: 'ana 3', t: 1_700_000_300 },
  ];
  const status = () =>
    /** @type {any} */ (window).require('WAWebUserPrefsHistorySync').getHistorySyncStatus() ?? null;

  test('chunks: after hasSynced the newest of each chat is there, and the rest comes later, unemitted', async (context) => {
    const { standin, newClient } = await setUp(context, {
      historyMs: 400,
      ways: { ...WATCHED, history: 'chunks' },
    });
    await standin.act('history_late', { seconds: 3600 });
    const client = await newClient().startLinked(standin, { ...SHOP, history: HISTORY });
    const page = client.client.pupPage;
    assert.deepEqual(await inMemory(page), ['beto 1', 'ana 3']);
    assert.equal(await stored(page), 2);
    assert.deepEqual(await page.evaluate(status), { initialCompleted: true });
    assert.equal(standin.state().history_chunks, 4);

    await standin.act('history_late', { seconds: 0 });
    await until(() => standin.state().history_chunks === 0);
    await until(async () => (await page.evaluate(status)).recentCompleted === true);
    assert.equal(await stored(page), 4);
    assert.deepEqual(client.all('message_create'), []);
  });

  test('chunks that were not stored come again after a reload', async (context) => {
    const { standin, page } = await openPage(context, {
      historyMs: 200,
      ways: { history: 'chunks', wait_for_listener: false },
    });
    await standin.act('history_late', { seconds: 3600 });
    await standin.act('scan', { ...SHOP, history: HISTORY });
    await standin.act('wait', { for: 'synced' });
    await page.reload();
    await standin.act('wait', { for: 'synced' });
    assert.deepEqual(await page.evaluate(status), { initialCompleted: true });
    await standin.act('history_late', { seconds: 0 });
    await until(async () => (await page.evaluate(status)).recentCompleted === true);
    assert.equal(await stored(page), 4);
  });

  test('a message that arrives while a chunk is stored is still a new one', async (context) => {
    const { standin, newClient } = await setUp(context, {
      historyMs: 0,
      ways: { ...WATCHED, history: 'chunks' },
    });
    await standin.act('history_late', { seconds: 3600 });
    const client = await newClient().startLinked(standin, { ...SHOP, history: HISTORY });
    await standin.act('hold', { phase: 'stored' }); // on disk, and not in memory yet
    await standin.act('deliver', { from: ANA, body: 'nuevo' });
    await until(async () => (await stored(client.client.pupPage)) === 3);
    await standin.act('history_late', { seconds: 0 });
    await until(() => standin.state().history_chunks === 0);
    await standin.act('release');
    await client.next('message', (message) => message.body === 'nuevo');
  });

  test('at_once: all of the history is there before hasSynced, and is complete', async (context) => {
    const { standin, newClient } = await setUp(context, { ways: { ...WATCHED, history: 'at_once' } });
    const client = await newClient().startLinked(standin, { ...SHOP, history: HISTORY });
    const page = client.client.pupPage;
    assert.equal(await stored(page), 4);
    assert.deepEqual(await page.evaluate(status), { initialCompleted: true, recentCompleted: true });
  });

  test('sync_ms: between the scan and hasSynced the page is CONNECTED and silent', async (context) => {
    const { standin, page } = await openPage(
      context,
      { ways: { sync_ms: 600_000, reconnect: 'opening', wait_for_listener: false } },
      recordPage,
    );
    await standin.act('scan', SHOP);
    await standin.act('wait', { for: 'connected' });
    await until(() => standin.state().socket_state === 'CONNECTED');
    assertInOrder(await toldBy(page, 'state'), ['UNPAIRED', 'OPENING', 'PAIRING', 'CONNECTED']);
    assert.deepEqual(await streamModel(page), { mode: 'SYNCING', info: 'SYNCING', available: true });
    assert.equal(standin.state().synced, false);
    await standin.act('way', { name: 'sync_ms', value: 0 });
    await standin.act('wait', { for: 'synced' });
    assert.deepEqual(await streamModel(page), { mode: 'MAIN', info: 'NORMAL', available: true });
  });

  test('a first history that does not come makes the page unlink itself', async (context) => {
    const { standin, page } = await openPage(
      context,
      { syncLimitMs: 300, ways: { sync_ms: 600_000, unlink: 'reload', wait_for_listener: false } },
      recordPage,
    );
    await standin.act('scan', SHOP);
    await until(() => page.url() === 'https://web.whatsapp.com/?logout_reason=2');
    await standin.act('wait', { for: 'qr' });
    assert.equal(standin.state().paired, false);
    assert.deepEqual(standin.state().sent, [], 'the page did it by itself');
    const events = (await toldBy(page, 'event')).filter((name) => name.includes('logout'));
    assert.deepEqual(events, ['starting_logout_from_bridge', 'logout_from_bridge']);
  });

  for (const waits of [true, false])
    test(`wait_for_listener ${waits}: hasSynced ${waits ? 'waits for' : 'comes without'} a subscriber`, async (context) => {
      const { standin, page } = await openPage(context, { ways: { wait_for_listener: waits } });
      await standin.act('scan', SHOP);
      await standin.act('wait', { for: 'connected' });
      if (waits) {
        await assert.rejects(standin.act('wait', { for: 'synced', limit: 1000 }), /waited 1000 ms in vain/);
        await page.evaluate(() => {
          /** @type {any} */ (window).require('WAWebSocketModel').Socket.on('change:hasSynced', () => {});
        });
      }
      await standin.act('wait', { for: 'synced' });
    });
});

describe('modules', () => {
  /** Asks for two modules at the moment in which Debug.VERSION appears, and again and again after it. */
  function askEarly() {
    const page = /** @type {any} */ (window);
    page.answers = [];
    const ask = () => {
      const has = (/** @type {string} */ name) => {
        try {
          return Boolean(page.require(name));
        } catch {
          return false;
        }
      };
      const answer = `${has('WAWebSocketModel')} ${has('WAWebCallCollection')}`;
      if (page.answers.at(-1) !== answer) page.answers.push(answer);
    };
    let debug = /** @type {any} */ (undefined);
    Object.defineProperty(page, 'Debug', {
      get: () => debug,
      set: (value) => {
        debug = value;
        ask();
        setInterval(ask, 1);
      },
    });
  }

  for (const [modules, answers] of /** @type {const} */ ([
    ['two_waves', ['false false', 'true false', 'true true']],
    ['at_once', ['true true']],
  ]))
    test(`${modules}: what can be required when Debug.VERSION is there, and after it`, async (context) => {
      const { page } = await openPage(context, { lateMs: 300, ways: { modules } }, askEarly);
      const asked = () => page.evaluate(() => /** @type {any} */ (window).answers);
      await until(async () => (await asked()).at(-1) === 'true true');
      assert.deepEqual(await asked(), answers);
    });
});

describe('states', () => {
  for (const [reconnect, states] of /** @type {const} */ ([
    ['opening', ['OPENING', 'PAIRING', 'CONNECTED']],
    ['timeout', ['TIMEOUT', 'OPENING', 'CONNECTED']],
  ]))
    test(`${reconnect}: a connection that drops is made again as ${states.join(', ')}`, async (context) => {
      const { standin, newClient } = await setUp(context, { ways: { ...WATCHED, reconnect } });
      const client = await newClient().startLinked(standin, SHOP);
      client.forget();
      await standin.act('offline');
      const streamOf = () => /** @type {any} */ (window).require('WAWebSocketModel').Socket.stream;
      await until(async () => (await client.evaluate(streamOf)) === 'DISCONNECTED');
      await standin.act('online');
      await until(() => client.all('change_state').includes('CONNECTED'));
      const said = client.all('change_state').filter((state, index, all) => state !== all[index - 1]);
      assert.deepEqual([...new Set(said)], states);
      assert.deepEqual(said.slice(-3), states, 'the tries before may repeat the first two');
      await until(() => standin.state().socket_stream === 'CONNECTED');
    });

  test('replaced: the stream of the first page ends, and nothing else is said', async (context) => {
    const { standin, newClient } = await setUp(context, { ways: { ...WATCHED, second_page: 'replaced' } });
    const client = await newClient().startLinked(standin, SHOP);
    const page = client.client.pupPage;
    client.forget();
    const other = await client.client.pupBrowser.newPage();
    await other.goto('https://web.whatsapp.com/');
    const streamOf = () => {
      const { state, stream, hasSynced } = /** @type {any} */ (window).require('WAWebSocketModel').Socket;
      return { state, stream, hasSynced };
    };
    await until(async () => (await page.evaluate(streamOf)).stream === 'DISCONNECTED');
    await standin.act('deliver', { from: ANA, body: 'para la otra' });
    await standin.act('wait', { for: 'drained' });
    assert.deepEqual(await page.evaluate(streamOf), {
      state: 'CONNECTED',
      stream: 'DISCONNECTED',
      hasSynced: true,
    });
    assert.deepEqual((await streamModel(page)).mode, 'MAIN');
    assert.deepEqual(client.emitted, []);
    const takeover = () => /** @type {any} */ (window).require('WAWebSocketModel').Socket.takeover();
    await assert.rejects(page.evaluate(takeover), /without conflict/);
  });

  test('the action replaced leaves messages at the server until the page is loaded again', async (context) => {
    const { standin, newClient } = await setUp(context, { ways: WATCHED });
    const client = await newClient().startLinked(standin, SHOP);
    client.forget();
    await standin.act('replaced', { again: 1 });
    await standin.act('wait', { for: 'disconnected' });
    await standin.act('deliver', { from: ANA, body: 'uno' });
    assert.equal(standin.state().undelivered.length, 1);
    assert.deepEqual(client.emitted, []);
    assert.equal(standin.state().socket_state, 'CONNECTED');

    await client.client.pupPage.reload();
    await standin.act('wait', { for: 'drained' });
    await standin.act('wait', { for: 'disconnected' }); // the other one is still there
    await client.client.pupPage.reload();
    await standin.act('wait', { for: 'synced' });
  });

  test('the action stream sets what the page says of its stream', async (context) => {
    const { standin, newClient } = await setUp(context, { ways: WATCHED });
    await newClient().startLinked(standin, SHOP);
    await standin.act('stream', { stream: 'DISCONNECTED' });
    assert.equal(standin.state().socket_stream, 'DISCONNECTED');
    await assert.rejects(standin.act('stream', { stream: 'BROKEN' }), /known: CONNECTED, DISCONNECTED/);
  });

  for (const focus of [true, false])
    test(`focus ${focus}: the page announces itself as ${focus ? '' : 'not '}available`, async (context) => {
      const { standin, page } = await openPage(context, { ways: { focus, wait_for_listener: false } });
      await standin.act('scan', SHOP);
      await until(() => standin.state().presence.length === 1);
      assert.equal(/** @type {any} */ (standin.state().presence[0]).available, focus);
      assert.equal((await streamModel(page)).available, focus);
    });

  test('the A/B values tell which ways are played', async (context) => {
    const value = (/** @type {import('puppeteer').Page} */ page, /** @type {string} */ name) =>
      page.evaluate(
        (each) => /** @type {any} */ (window).require('WAWebABProps').getABPropConfigValue(each),
        name,
      );
    const { page } = await openPage(context, { ways: { side: 'page', modules: 'at_once' } });
    assert.equal(await value(page, 'web_non_blocking_offline_resume_max_message_count'), 1000);
    assert.equal(await value(page, 'web_init_chat_batch_size'), 100);
    assert.equal(await value(page, 'web_message_processing_cache_size'), 400);
    await assert.rejects(value(page, 'nobody_knows_this'), 'as in the page (WAWebABProps)');
  });
});

describe('unlinking', () => {
  for (const [unlink, address, announced] of /** @type {const} */ ([
    ['reload', '/', true],
    ['params', '/?logout_reason=3', true],
    ['post_logout', '/?post_logout=1&logout_reason=3', false],
  ]))
    test(`${unlink}: an unlinked page ends at ${address}, wiped, with a fresh code`, async (context) => {
      const { standin, page } = await openPage(
        context,
        { ways: { unlink, wait_for_listener: false } },
        recordPage,
      );
      await standin.act('scan', SHOP);
      await standin.act('wait', { for: 'synced' });
      await Promise.all([page.waitForNavigation(), standin.act('logout', { reason: 3 })]);
      await standin.act('wait', { for: 'qr' });
      assert.equal(page.url(), `https://web.whatsapp.com${address}`);
      assert.equal(await stored(page), 0);
      const events = (await toldBy(page, 'event')).filter((name) => name.includes('logout'));
      assert.deepEqual(
        events,
        announced ? ['starting_logout_from_bridge', 'logout_from_bridge'] : ['logout_from_bridge'],
      );
    });

  test('reload: the library says authenticated once more, then disconnected', async (context) => {
    const { standin, newClient } = await setUp(context, { ways: { ...WATCHED, unlink: 'reload' } });
    const client = await newClient().startLinked(standin, SHOP);
    client.forget();
    await standin.act('logout');
    await client.next('disconnected', (reason) => reason === 'LOGOUT');
    await client.next('qr');
    assert.equal(client.client.pupPage.url(), 'https://web.whatsapp.com/');
    const names = client.emitted.map(({ name }) => name);
    assert.ok(names.indexOf('authenticated') < names.indexOf('disconnected'), names.join(', '));
  });

  test('reload: a page unlinked while it was away was CONNECTED before it shows a code', async (context) => {
    const { standin, page } = await openPage(
      context,
      { ways: { unlink: 'reload', reconnect: 'opening', wait_for_listener: false } },
      recordPage,
    );
    await standin.act('scan', SHOP);
    await standin.act('wait', { for: 'synced' });
    const before = (await toldBy(page)).length;
    await standin.act('offline');
    await standin.act('wait', { for: 'disconnected' });
    await standin.act('logout');
    await standin.act('online');
    await standin.act('wait', { for: 'qr' });
    await until(async () => (await toldBy(page, 'state')).at(-1) === 'UNPAIRED');
    const after = (await toldBy(page)).slice(before);
    const states = after.filter(([kind]) => kind === 'state').map(([, state]) => state);
    assertInOrder(states, ['OPENING', 'PAIRING', 'CONNECTED', 'UNPAIRED']);
    const events = after.filter(([kind]) => kind === 'event').map(([, name]) => name);
    assert.ok(!events.includes('starting_logout_from_bridge'));
    assert.equal(page.url(), 'https://web.whatsapp.com/');
  });
});

describe('failures and screens', () => {
  const WAYS = { unlink: 'reload', reconnect: 'opening', wait_for_listener: false };

  /** @param {import('node:test').TestContext} context */
  async function linkedPage(context) {
    const opened = await openPage(context, { retry: 50, ways: WAYS }, recordPage);
    await opened.standin.act('scan', SHOP);
    await opened.standin.act('wait', { for: 'synced' });
    return opened;
  }

  test('402: one event with the seconds that are left, a screen, and a state that goes on cycling', async (context) => {
    const { standin, page } = await linkedPage(context);
    const before = (await toldBy(page)).length;
    await standin.act('failure', { code: 402, expire: 600, message: 'too many' });
    const bans = async () =>
      (await toldBy(page))
        .slice(before)
        .filter(([, name]) => name === 'account_temporarily_banned_from_bridge');
    await until(async () => (await bans()).length > 0);
    const [[, , about]] = await bans();
    assert.deepEqual({ ...about, expire: 0 }, { banned: true, code: 101, message: 'too many', expire: 0 });
    assert.ok(about.expire > 590 && about.expire <= 600, `${about.expire}`);
    assert.match(await words(page), /temporarily banned/);
    assert.equal(await page.evaluate(() => document.querySelectorAll('[role]').length), 0);
    await until(async () => {
      const states = (await toldBy(page)).slice(before).filter(([kind]) => kind === 'state');
      return states.filter(([, state]) => state === 'CONNECTED').length >= 3;
    });
    assert.equal(standin.state().page_connected, false);
    assert.equal(standin.state().paired, true);

    await standin.act('failure', { code: null });
    await standin.act('wait', { for: 'connected' });
    await until(async () => !/banned/.test(await words(page)));
    assert.deepEqual((await bans()).at(-1)?.[2], { banned: false }, 'as at every connect');
  });

  test('402 ends by itself when it expires', async (context) => {
    const { standin } = await linkedPage(context);
    await standin.act('failure', { code: 402, expire: 1 });
    await standin.act('wait', { for: 'disconnected' });
    await standin.act('wait', { for: 'connected' });
  });

  for (const [code, address] of /** @type {const} */ ([
    [403, '/?logout_reason=3'],
    [406, '/'],
  ]))
    test(`${code}: the page is logged out, at ${address}, without a word before`, async (context) => {
      const { standin, page } = await linkedPage(context);
      await Promise.all([page.waitForNavigation(), standin.act('failure', { code })]);
      await standin.act('wait', { for: 'qr' });
      assert.equal(page.url(), `https://web.whatsapp.com${address}`);
      assert.equal(standin.state().paired, false);
      const events = (await toldBy(page, 'event')).filter((name) => name.includes('logout'));
      assert.deepEqual(events, ['logout_from_bridge']);
    });

  test('503: an event and a screen, and the session stays', async (context) => {
    const { standin, page } = await linkedPage(context);
    await standin.act('failure', { code: 503 });
    await until(async () => (await toldBy(page, 'event')).includes('service_unavailable_503_from_bridge'));
    assert.match(await words(page), /Service unavailable/);
    await standin.act('failure', { code: null });
    await standin.act('wait', { for: 'connected' });
    assert.equal(standin.state().paired, true);
  });

  test('a failure of another code is refused', async (context) => {
    const { standin } = await linkedPage(context);
    await assert.rejects(standin.act('failure', { code: 404 }), /cannot fail with 404; known: 402, 403/);
  });

  test('a screen stands in the place of the chats, without a role, until it is taken away', async (context) => {
    const { standin, page } = await linkedPage(context);
    for (const [name, text] of [
      ['temp_ban', /temporarily banned/],
      ['locked', /App lock is on/],
      ['offline', /Computer not connected/],
      ['logout', /Logging out/],
    ]) {
      assert.equal((await standin.act('screen', { name })).done, true);
      assert.match(await words(page), /** @type {RegExp} */ (text));
      assert.doesNotMatch(await words(page), /Nothing here reaches/);
      assert.equal(await page.evaluate(() => document.querySelectorAll('[role]').length), 0);
      await standin.act('screen', { name, on: false });
      assert.match(await words(page), /Nothing here reaches/);
    }
    await assert.rejects(standin.act('screen', { name: 'blue' }), /cannot show the screen blue/);
  });
});

test('a stand-in with all ways of the page links, receives and reloads', async (context) => {
  const { standin, page } = await openPage(context, { historyMs: 200, ways: 'page' });
  await standin.act('scan', { ...SHOP, history: { chats: 3, messages: 30 } });
  await standin.act('wait', { for: 'synced' });
  const { acknowledged } = await standin.act('deliver', { from: ANA, body: 'hola', wait: LIMIT });
  assert.equal(acknowledged, true);
  await until(() => standin.state().history_chunks === 0);
  await page.reload();
  await standin.act('wait', { for: 'synced' });
  assert.ok((await inMemory(page)).includes('hola'));
  assert.equal(await stored(page), 31);
  assert.deepEqual(standin.state().sent, []);
});
