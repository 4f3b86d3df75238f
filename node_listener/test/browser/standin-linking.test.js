// Linking: how many references there are, how new ones come, what a pairing code takes, and the passkey steps.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SHOP, setUp } from '../support/bare-client.js';
import { LIMIT, until } from '../support/waiting.js';

const ANA = '5491155550001';

/** @typedef {import('../support/bare-client.js').BareClient} BareClient */

/** @param {BareClient} client @returns {Promise<string>} */
const socketState = (client) =>
  client.evaluate(() => /** @type {any} */ (window).require('WAWebSocketModel').Socket.state);

/** The parts of the passkey screen that are shown, and the page's stage. @param {BareClient} client */
const passkeyScreen = (client) =>
  client.evaluate(() => {
    const api = /** @type {any} */ (window).require('WAWebShortcakeLinkingApi');
    const shown = [...document.querySelectorAll('[data-testid^="shortcake_"]')].map((each) =>
      each.getAttribute('data-testid')?.replace('shortcake_', ''),
    );
    return {
      shown,
      stage: api.getShortcakeLinkingStage(),
      code: api.getVerificationCode(),
      dialogs: document.querySelectorAll('[role=dialog]').length,
    };
  });

/** Notes the events of linking. @param {BareClient} client */
const watchEvents = (client) =>
  client.evaluate(() => {
    const page = /** @type {any} */ (window);
    page.linkEvents = [];
    const { WAWebLinkDeviceEvents: events } = page.require('WAWebLinkDeviceEvents');
    for (const name of [
      'passkey_prologue_request',
      'shortcake_prologue_sent',
      'shortcake_verification_code_ready',
      'shortcake_error',
      'primary_hello_received',
      'error_alt_linking',
    ])
      events.on(`link_device_events:${name}`, (/** @type {any[]} */ ...args) =>
        page.linkEvents.push([name, ...args]),
      );
  });

/** @param {BareClient} client @returns {Promise<any[]>} */
const linkEvents = (client) => client.evaluate(() => /** @type {any} */ (window).linkEvents);

/** @param {BareClient} client @param {string} name */
const click = (client, name) =>
  client.evaluate(
    (/** @type {string} */ id) =>
      /** @type {any} */ (document.querySelector(`[data-testid="shortcake_${id}"]`)).click(),
    name,
  );

test('after six references the page is UNPAIRED_IDLE, and a new connection brings six more', async (context) => {
  const ways = /** @type {const} */ ({ qr_refs: 6, refresh_qr: 'launch_socket' });
  const { standin, newClient } = await setUp(context, { qrFirst: 60_000, qrPeriod: 100, retry: 50, ways });
  const client = await newClient().start();
  const refs = () => new Set(client.all('qr').map((qr) => qr.split(',')[0]));
  // The first of a list is shown until it has been seen: the library takes its time to look.
  await until(() => refs().size === 1);
  await standin.act('rotate_qr');
  await until(async () => (await socketState(client)) === 'UNPAIRED_IDLE');
  await until(() => refs().size === 6);
  assert.equal(standin.state().qr_ref, null);
  await assert.rejects(standin.act('scan', { ...SHOP, wait: 0 }), /no page shows a QR/);

  const ask = (/** @type {string} */ how) =>
    client.evaluate((/** @type {string} */ name) => {
      const { require } = /** @type {any} */ (window);
      if (require('WAWebCmd').Cmd.refreshQR) throw new Error('Cmd.refreshQR is gone');
      if (name === 'launch') require('WAWebLaunchSocketUtils').refreshQR();
      else require('WAWebBackendEventBus').BackendEventBus.triggerRefreshQR();
    }, how);
  await ask('launch');
  await until(() => refs().size === 7);
  await standin.act('rotate_qr');
  await until(() => refs().size === 12);
  await until(async () => (await socketState(client)) === 'UNPAIRED_IDLE');
  await ask('bus');
  await until(() => refs().size > 12);
  const secrets = new Set(client.all('qr').map((qr) => qr.split(',')[3]));
  assert.equal(secrets.size, 3, 'another one for each list');
  await standin.act('scan', SHOP);
  await client.next('ready');
});

test('the old way rotates for ever, and Cmd.refreshQR brings a new reference', async (context) => {
  const { standin, newClient } = await setUp(context, { qrFirst: 100, qrPeriod: 50 });
  const client = await newClient().start();
  await client.next('qr', () => client.all('qr').length >= 9);
  await standin.act('state', { state: 'UNPAIRED_IDLE' });
  const before = standin.state().qr_ref;
  await client.evaluate(() => /** @type {any} */ (window).require('WAWebCmd').Cmd.refreshQR());
  assert.notEqual(standin.state().qr_ref, before);
  const absent = await client.evaluate(() => {
    try {
      return Boolean(/** @type {any} */ (window).require('WAWebBackendEventBus'));
    } catch {
      return null;
    }
  });
  assert.equal(absent, null);
});

test('a pairing code takes three answers and is good for a while', async (context) => {
  const { standin, newClient } = await setUp(context, { codeLimit: 60_000, ways: { pairing_limits: true } });
  const client = await newClient({ pairWithPhoneNumber: { phoneNumber: SHOP.phone } }).start();
  const [code] = await client.next('code');
  await watchEvents(client);
  for (let answer = 1; answer <= 3; answer += 1)
    await assert.rejects(standin.act('pair', { code: 'WRONG123' }), /not the code shown/);
  await assert.rejects(standin.act('pair', { code }), /answered 3 times/);
  await until(async () => (await linkEvents(client)).length === 4);
  assert.deepEqual(
    (await linkEvents(client)).map(([name]) => name),
    [...Array(3).fill('primary_hello_received'), 'error_alt_linking'],
  );
  const again = client.evaluate(
    (/** @type {string} */ phone) =>
      /** @type {any} */ (window).require('WAWebAltDeviceLinkingApi').startAltLinkingFlow(phone),
    SHOP.phone,
  );
  await assert.rejects(again, /at the stage AfterSendCompanionHello/);
  const fresh = await client.evaluate(async (/** @type {string} */ phone) => {
    const api = /** @type {any} */ (window).require('WAWebAltDeviceLinkingApi');
    await api.initializeAltDeviceLinking();
    return api.startAltLinkingFlow(phone);
  }, SHOP.phone);
  assert.notEqual(fresh, code);
  await standin.act('pair', { code: fresh });
  await client.next('ready');
});

test('an old pairing code is refused, unless the limits are off', async (context) => {
  const { standin, newClient } = await setUp(context, { codeLimit: 1, ways: { pairing_limits: true } });
  const client = await newClient({ pairWithPhoneNumber: { phoneNumber: SHOP.phone } }).start();
  const [code] = await client.next('code');
  await new Promise((resolve) => setTimeout(resolve, 20));
  await assert.rejects(standin.act('pair', { code }), /too old/);
  await standin.act('way', { name: 'pairing_limits', value: false });
  await standin.act('pair', { code });
  await client.next('ready');
});

test('a passkey step at linking: a screen without role=dialog, UNPAIRED, and the references go on', async (context) => {
  const { standin, newClient } = await setUp(context, { qrFirst: 400, qrPeriod: 400 });
  const client = await newClient().start();
  const [qr] = await client.next('qr');
  await watchEvents(client);
  const idle = { shown: [], stage: 'NotStarted', code: null, dialogs: 0 };
  assert.deepEqual(await passkeyScreen(client), idle);
  await assert.rejects(standin.act('passkey', { step: 'continue' }), /no page is at one/);

  await standin.act('scan', { ...SHOP, passkey: true }); // the code of this moment: `qr` may have ended
  const prompt = ['passkey_screen', 'passkey_prompt_card', 'passkey_continue_button', 'cancel_button'];
  assert.deepEqual(await passkeyScreen(client), { ...idle, shown: prompt });
  assert.equal(standin.state().passkey, 'prompt');
  client.forget();
  const [next] = await client.next('qr');
  assert.notEqual(next.split(',')[0], qr.split(',')[0]);
  assert.notEqual(next.split(',')[3], qr.split(',')[3], 'the secret was replaced');
  assert.equal(await socketState(client), 'UNPAIRED');
  await assert.rejects(standin.act('passkey', { step: 'code' }), /step code after prompt/);

  await click(client, 'passkey_continue_button');
  await until(() => standin.state().passkey === 'pressed');
  assert.equal((await passkeyScreen(client)).stage, 'Initialized');
  await standin.act('passkey', { step: 'continue' });
  assert.deepEqual(await passkeyScreen(client), {
    ...idle,
    shown: ['passkey_screen', 'waiting_for_phone_card', 'cancel_button'],
    stage: 'WaitingForPrimaryIdentity',
  });
  await standin.act('passkey', { step: 'code', code: '1A2B3C4D' });
  assert.deepEqual(await passkeyScreen(client), {
    ...idle,
    shown: ['passkey_screen', 'verification_code_display', 'cancel_button'],
    stage: 'WaitingForVerificationCodeConfirmation',
    code: '1A2B3C4D',
  });
  const events = await linkEvents(client);
  await standin.act('passkey', { step: 'done' });
  await client.next('ready');
  assert.deepEqual(events, [
    ['passkey_prologue_request'],
    ['shortcake_prologue_sent'],
    ['shortcake_verification_code_ready', '1A2B3C4D', false],
  ]);
  assert.equal(client.client.info.wid.user, SHOP.phone);
  assert.deepEqual(await passkeyScreen(client), idle);
});

test('a passkey step ends by an error, a stage that lasts too long, a cancellation or a new stream', async (context) => {
  const { standin, newClient } = await setUp(context, {
    passkeyLimit: 300,
    ways: { refresh_qr: 'launch_socket' },
  });
  const client = await newClient().start();
  await client.next('qr');
  await watchEvents(client);
  await standin.act('scan', { ...SHOP, passkey: true });
  await standin.act('passkey', { step: 'continue' });
  await until(() => standin.state().passkey === 'error');
  assert.deepEqual((await linkEvents(client)).at(-1), ['shortcake_error', 'timeout']);
  assert.deepEqual((await passkeyScreen(client)).shown.slice(0, 2), [
    'passkey_screen',
    'passkey_prompt_card',
  ]);

  await standin.act('passkey', { step: 'continue' });
  await standin.act('passkey', { step: 'error', reason: 'server_error' });
  assert.deepEqual((await linkEvents(client)).at(-1), ['shortcake_error', 'server_error']);
  assert.equal((await passkeyScreen(client)).stage, 'NotStarted');

  await click(client, 'cancel_button');
  await until(() => standin.state().passkey === null);
  assert.deepEqual((await passkeyScreen(client)).shown, []);

  await standin.act('scan', { ...SHOP, passkey: true });
  await client.evaluate(() => /** @type {any} */ (window).require('WAWebLaunchSocketUtils').refreshQR());
  await until(() => standin.state().passkey === null);
  await assert.rejects(standin.act('passkey', { step: 'continue' }), /no page is at one/);
});

test('a pairing code meets the same passkey step', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient({ pairWithPhoneNumber: { phoneNumber: SHOP.phone } }).start();
  const [code] = await client.next('code');
  await standin.act('pair', { code, passkey: true });
  assert.equal((await passkeyScreen(client)).shown[0], 'passkey_screen');
  for (const step of ['continue', 'code', 'done']) await standin.act('passkey', { step });
  await client.next('ready');
});

/** @param {BareClient} client */
const dialogs = (client) =>
  client.evaluate(() =>
    [...document.querySelectorAll('[role=dialog]')].map((dialog) => ({
      text: dialog.querySelector('h1')?.textContent,
      buttons: [...dialog.querySelectorAll('[role=button]')].map((each) => each.textContent),
    })),
  );

/** @param {BareClient} client @param {string} label */
const press = (client, label) =>
  client.evaluate((/** @type {string} */ wanted) => {
    const buttons = [...document.querySelectorAll('[role=button]')];
    /** @type {any} */ (buttons.find((each) => each.textContent === wanted)).click();
  }, label);

test('the later passkey check stays over reloads until it is passed, and its other button logs out', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  const check = {
    text: 'Quick security check with Passkey',
    buttons: ['Continue', 'Log out of WhatsApp Web'],
  };
  const challenge = () =>
    client.evaluate(() =>
      /** @type {any} */ (window)
        .require('WAWebUserPrefsIndexedDBStorage')
        .userPrefsIdb.get('WAIntegrityChallengeState'),
    );
  assert.equal(await challenge(), null);
  await standin.act('check_passkey');
  assert.deepEqual(await dialogs(client), [check]);
  assert.equal((await challenge()).challenge_type, 'PASSKEY');
  await standin.act('reload');
  await client.next('ready', () => client.all('ready').length === 2);
  assert.deepEqual(await dialogs(client), [check]);
  await standin.act('deliver', { from: ANA, body: 'mientras tanto', wait: LIMIT });
  await client.next('message');

  await press(client, 'Continue');
  await until(() => standin.state().dialogs[0].clicked === 'Continue');
  assert.deepEqual(await dialogs(client), [check], 'until it is answered');
  await standin.act('check_passkey', { on: false });
  assert.deepEqual([await dialogs(client), await challenge()], [[], null]);
  await standin.act('reload');
  await client.next('ready', () => client.all('ready').length === 3);
  assert.deepEqual(await dialogs(client), []);

  await standin.act('check_passkey');
  await press(client, 'Log out of WhatsApp Web');
  await client.next('disconnected');
  assert.equal(standin.state().paired, false);
});

test('a full disk opens a dialog whose button logs out', async (context) => {
  const { standin, newClient } = await setUp(context);
  const client = await newClient().startLinked(standin, SHOP);
  await client.evaluate(() => {
    const page = /** @type {any} */ (window);
    page.storageEvents = [];
    const { StorageCmd } = page.require('WAWebStorageCmd');
    for (const name of ['storage_not_enough_space', 'cache_storage_open_failed'])
      StorageCmd.on(name, () => page.storageEvents.push(name));
  });
  await assert.rejects(standin.act('storage_dialog', { name: 'other' }), /known: storage_not_enough_space/);
  await standin.act('storage_dialog', { name: 'cache_storage_open_failed' });
  await standin.act('storage_dialog');
  assert.deepEqual(await client.evaluate(() => /** @type {any} */ (window).storageEvents), [
    'cache_storage_open_failed',
    'storage_not_enough_space',
  ]);
  const [first, second] = await dialogs(client);
  assert.match(String(first.text), /not have enough space/);
  assert.deepEqual(second, first);
  await press(client, 'OK');
  await client.next('disconnected');
  assert.equal(standin.state().paired, false);
});
