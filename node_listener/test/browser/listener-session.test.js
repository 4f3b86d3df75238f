// What the page says of the session in its own words: streams, logouts, bans, screens, passkeys. The page is driven directly,
// as builds of 2026 do it by their modules.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { drivenListening, sharedChild } from '../support/listening.js';
import { until } from '../support/waiting.js';

const SHOP = { phone: '5491155550100', name: 'Tienda' };

/**
 * `start` waits for a code.
 * @param {import('node:test').TestContext} context
 * @param {import('../../standin/options.js').GivenOptions} [options]
 */
async function setUp(context, options) {
  const listener = await drivenListening(context, options);
  return {
    ...listener,
    /** @param {Record<string, unknown>} [childOptions] */
    async start(childOptions) {
      const child = await listener.start(childOptions);
      await child.line((line) => line.type === 'qr' || line.type === 'pairing_code');
      return child;
    },
  };
}

/**
 * A module that the stand-in does not have, in every document until the next.
 * @param {string} name
 * @param {string} exports
 */
const withModule = (name, exports) =>
  `{ const before = window.require; const made = ${exports};
     window.require = (name) => (name === '${name}' ? made : before(name)); }`;
const SOCKET = `leadmasterd.requireOriginal('WAWebSocketModel').Socket`;
const CMD = `leadmasterd.requireOriginal('WAWebCmd').Cmd`;

describe('with one linked child', () => {
  const { next } = sharedChild(drivenListening, ({ linked }) => linked());

  test('CONNECTED after a code reaches the wire before authenticated', () => {
    const { child } = next();
    const [code] = child.ofType('qr');
    const [authenticated] = child.ofType('authenticated');
    const connected = child.lines.find((line) => line.state === 'CONNECTED' && line.seq > code.seq);
    assert.ok(connected && connected.seq < authenticated.seq);
  });

  test('a replaced session shows in the stream: the state stays, the state line and heartbeats tell', async () => {
    const { drive, line, said, reload } = next();
    await line(({ type, stream }) => type === 'heartbeat' && stream === 'CONNECTED');
    await drive(`${SOCKET}.set('stream', 'DISCONNECTED')`);
    const { state } = await line(({ type, stream }) => type === 'state' && stream === 'DISCONNECTED');
    assert.equal(state, 'CONNECTED');
    const beat = await line(({ type, stream }) => type === 'heartbeat' && stream === 'DISCONNECTED');
    assert.equal(beat.socket_state, 'CONNECTED');
    assert.deepEqual(said('disconnected'), []);
    await reload();
  });

  test('CONFLICT is reported, and the browser stays: the daemon decides what follows', async () => {
    const { standin, child, line, reload } = next();
    await standin.act('state', { state: 'CONFLICT' });
    assert.equal((await line('disconnected')).reason, 'CONFLICT');
    await child.answers();
    await reload();
  });

  test('a temporary ban says until when, once; that there is none, said at each connection, is no line', async () => {
    const { standin, drive, line, said } = next();
    const ban = `${CMD}.trigger('account_temporarily_banned_from_bridge', { banned: true, code: 104, expire: 3600 })`;
    const none = `${CMD}.trigger('account_temporarily_banned_from_bridge', { banned: false })`;
    const before = Math.floor(Date.now() / 1000);
    await drive(`${none}; ${ban}; ${ban}; ${CMD}.trigger('service_unavailable_503_from_bridge')`);
    assert.equal((await line('unavailable')).code, 503);
    const [banned, ...more] = said('banned');
    assert.deepEqual([banned.code, banned.message, more.length], ['104', null, 0]);
    assert.ok(banned.expires >= before + 3600 && banned.expires <= before + 3660, `${banned.expires}`);
    await standin.act('deliver', { id: 'ON', from: '5491155550001', body: 'hola' });
    await line(({ id }) => id?.id === 'ON');
  });

  test('a locked screen is told, is no end, and its end is told', async () => {
    const { drive, line, said } = next();
    await drive(`${SOCKET}.set('state', 'SCREEN_LOCKED')`);
    const told = (/** @type {boolean} */ on) =>
      line(({ type, name, shown }) => type === 'screen' && name === 'locked' && shown === on);
    await told(true);
    await drive(`${SOCKET}.set('state', 'CONNECTED')`);
    await told(false);
    assert.deepEqual(said('disconnected'), []);
  });

  test('a ban that stands where the chats were is told in its words, and ends with a reload', async () => {
    const { drive, line, reload } = next();
    await drive(`document.body.innerHTML =
      '<div id="app">You\\'re temporarily banned from WhatsApp because too many people blocked you.</div>'`);
    const told = (/** @type {boolean} */ on) =>
      line(({ type, name, shown }) => type === 'screen' && name === 'temporary_ban' && shown === on);
    assert.match((await told(true)).text, /^You're temporarily banned/);
    await reload();
    await told(false);
  });

  for (const name of ['storage_not_enough_space', 'cache_storage_open_failed']) {
    test(`${name} is told by name, and its button, which logs out, is left alone`, async () => {
      const { standin, line, reload } = next();
      await standin.act('storage_dialog', { name });
      const dialog = await line('dialog');
      assert.deepEqual([dialog.name, dialog.button, dialog.dismissed], ['disk_full', null, false]);
      await standin.act('deliver', { id: `STILL-${name}`, from: '5491155550001', body: 'hola' });
      await line(({ id }) => id?.id === `STILL-${name}`);
      assert.equal(standin.state().paired, true);
      await reload();
    });
  }

  test('a passkey check of a linked account outlives reloads as one', async () => {
    const { standin, line, said, reload } = next();
    const shown = standin.state().dialogs.length;
    await standin.act('check_passkey');
    await line('passkey');
    await reload();
    const beats = said('heartbeat').length;
    await until(() => said('heartbeat').length > beats + 10);
    await standin.act('check_passkey', { on: false });
    await line(({ type, step }) => type === 'passkey' && step === 'done');
    assert.deepEqual(
      said('passkey').map(({ where, step }) => `${where} ${step}`),
      ['check asked', 'check done'],
    );
    const dialogs = /** @type {any[]} */ (standin.state().dialogs.slice(shown));
    assert.deepEqual(
      dialogs.map(({ clicked }) => clicked),
      [null],
    );
  });

  test('the check of a linked account is told, nothing is clicked, messages arrive, and its end is told', async () => {
    const { standin, child, drive, line, said } = next();
    await drive(`document.body.insertAdjacentHTML('beforeend', \`<div role="dialog" id="check">
      <span>Quick security check with Passkey</span>
      <span>You can continue using WhatsApp Web after we verify your account with your Passkey.</span>
      <button onclick="document.title = 'clicked'">Continue</button>
      <button onclick="document.title = 'clicked'">Log out of WhatsApp Web</button></div>\`)`);
    const { where, step } = await line('passkey');
    assert.deepEqual([where, step], ['check', 'asked']);
    await standin.act('deliver', { id: 'STILL', from: '5491155550001', body: 'hola' });
    await line(({ id }) => id?.id === 'STILL');
    await drive(
      `if (document.title === 'clicked') throw new Error('clicked'); document.querySelector('#check').remove()`,
    );
    await line((each) => each.type === 'passkey' && each.step === 'done');
    assert.doesNotMatch(child.stderr, /clicked/);
    assert.deepEqual(said('dialog'), []);
  });

  test('a check that is kept for the next start is told before its dialog is there', async () => {
    const { drive, line, reload } = next();
    const kept = `{ userPrefsIdb: { get: (key) => key === 'WAIntegrityChallengeState' ? window.kept : null } }`;
    await drive(
      `window.kept = { challenge_type: 'PASSKEY' }; ${withModule('WAWebUserPrefsIndexedDBStorage', kept)}`,
    );
    assert.equal((await line('passkey')).where, 'check');
    await drive(`window.kept = null`);
    await line(({ type, step }) => type === 'passkey' && step === 'done');
    await reload();
  });

  test('a call that goes to the native part is told', async () => {
    const { standin, line, said } = next();
    await standin.act('ways', { calls: 'native' });
    await standin.act('call', { from: '5491155550001', video: true });
    const { source, chat, video } = await line('call');
    assert.deepEqual([source, chat, video], ['active_call', '5491155550001@c.us', true]);
    assert.equal(said('call').length, 1);
  });

  test('heartbeats carry what the page means to show and whether the history is complete, or null', async () => {
    const { standin, line, said, drive, reload } = next();
    await standin.act('missing', { modules: ['WAWebUserPrefsHistorySync'] });
    await reload();
    await drive(`${SOCKET}.stream = undefined;
    Object.defineProperty(leadmasterd.requireOriginal('WAWebStreamModel').Stream, 'mode',
      { value: undefined, writable: true, configurable: true });`);
    await line((beat) => beat.type === 'heartbeat' && beat.stream === null);
    const { mode, history } = /** @type {any} */ (said('heartbeat').at(-1));
    assert.deepEqual([mode, history], [null, null]);
    const status = `{ getHistorySyncStatus: () => Promise.resolve(window.historyStatus) }`;
    await drive(`window.historyStatus = { initialCompleted: true };
    leadmasterd.requireOriginal('WAWebStreamModel').Stream.mode = 'MAIN';
    ${withModule('WAWebUserPrefsHistorySync', status)}`);
    const coming = await line(({ type, history }) => type === 'heartbeat' && history === 'incoming');
    assert.equal(coming.mode, 'MAIN');
    await drive(`window.historyStatus = { initialCompleted: true, recentCompleted: true }`);
    await line((beat) => beat.seq > coming.seq && beat.type === 'heartbeat' && beat.history === 'complete');
    await standin.act('missing', { modules: [] });
    await reload();
  });

  test('what a listener of the library throws stays away from the page, is reported, and costs no count', async () => {
    // this page lets exceptions out of `Msg.add`, before the message is in its chat
    const { standin, child, line, drive, reload } = next();
    await standin.act('ways', { listeners: 'throw', add_order: 'msg_first' });
    await reload();
    await drive(`{
    const { Msg } = leadmasterd.requireOriginal('WAWebCollections');
    window.reached = 0;
    Msg.on('add', () => { window.reached += 1; });
    window.onAddMessageEvent = Object.assign(
      ((original) => (raw) => {
        if (raw.type !== 'leadmasterd_heartbeat') throw new Error('broken listener');
        return original({ ...raw, heartbeat: { ...raw.heartbeat, mode: 'reached ' + window.reached } });
      })(window.onAddMessageEvent),
      window.onAddMessageEvent,
    );
  }`);
    await standin.act('deliver', { id: 'LOST', from: '5491155550001', body: 'hola' });
    const error = await line(({ type, message }) => type === 'page_error' && /broken listener/.test(message));
    assert.equal(error.source, 'listener');
    assert.match(error.message, /^Msg add: /);
    const beat = await line(({ type, mode }) => type === 'heartbeat' && mode === 'reached 1');
    assert.deepEqual([beat.added, beat.emitted], [1, 0]);
    child.send({ type: 'sweep', sweep: 1, from: 0, chats: {}, ignore: [] });
    assert.equal((await line(({ id }) => id?.id === 'LOST')).via, 'sweep');
    await reload();
  });
});

test('a logout by a plain reload is told by its event, at once or within the reload', async (context) => {
  const { linked, drive } = await setUp(context);
  const child = await linked();
  await drive(`${CMD}.trigger('starting_logout_from_bridge'); location.reload();`);
  const { reason, logout_reason, by } = await child.line('disconnected');
  assert.deepEqual([reason, logout_reason, by], ['LOGOUT', null, 'event']);
  assert.equal((await child.line('bye')).reason, 'logged_out');
  assert.equal(child.ofType('disconnected').length, 1);
});

test('a refused connection logs out without a beginning, and without a linked page to hear it', async (context) => {
  const { start, drive } = await setUp(context);
  const child = await start();
  const codes = child.ofType('qr').length;
  await drive(`location.reload(); ${CMD}.trigger('logout_from_bridge');`);
  assert.equal((await child.line('disconnected')).by, 'event');
  await child.exit;
  assert.equal(child.ofType('qr').length, codes);
});

test('a page that says it logs out and does not reload is left after a while', async (context) => {
  const { linked, drive } = await setUp(context);
  const child = await linked();
  await drive(`${CMD}.trigger('logout_from_bridge');`);
  assert.equal((await child.line('disconnected')).by, 'event');
  assert.equal((await child.line('bye')).reason, 'logged_out');
});

test('an address with a reason and no post_logout is a logout', async (context) => {
  const { linked, drive } = await setUp(context);
  const child = await linked();
  await drive(`location.href = '/?logout_reason=3'`);
  const { logout_reason, by } = await child.line('disconnected');
  assert.deepEqual([logout_reason, by], ['3', 'address']);
});

test('when the page has shown all its QR codes new ones are asked for, in the way it has', async (context) => {
  const { start } = await setUp(context, {
    ways: { qr_refs: 2, refresh_qr: 'launch_socket' },
    qrFirst: 500,
    qrPeriod: 500,
  });
  const child = await start();
  await child.line((line) => line.state === 'UNPAIRED_IDLE');
  const shown = child.ofType('qr').length;
  await until(() => child.ofType('qr').length >= shown + 2);
  assert.deepEqual([child.ofType('page_error'), child.ofType('bye')], [[], []]);
});

test('the passkey steps of linking, one after the other, until it is linked', async (context) => {
  const { standin, start } = await setUp(context);
  const child = await start();
  await standin.act('scan', { ...SHOP, passkey: true });
  await standin.act('passkey', { step: 'continue' });
  await standin.act('passkey', { step: 'error' });
  await standin.act('passkey', { step: 'continue' });
  await standin.act('passkey', { step: 'code', code: 'K7RM2QXP' });
  const codes = child.ofType('qr').length;
  await standin.act('passkey', { step: 'done' });
  await child.line('ready');
  const steps = child.ofType('passkey').map(({ step, code }) => `${step} ${code}`);
  // what is pending after the code lasts a moment here, and may be seen or not
  const seen = steps.filter((step, index) => step !== 'working null' || steps[index - 1] !== 'code K7RM2QXP');
  assert.deepEqual(seen, [
    'asked null',
    'working null',
    'failed null',
    'asked null',
    'working null',
    'code K7RM2QXP',
    'done null',
  ]);
  assert.deepEqual([...new Set(child.ofType('passkey').map(({ by }) => by))].toSorted(), ['event', 'level']);
  assert.equal(child.ofType('qr').length, codes);
});

test('a code that was compared is not shown again before the page is linked', async (context) => {
  const { standin, start, drive } = await setUp(context);
  const child = await start();
  await child.line('qr');
  const api = `{
    getShortcakeLinkingStage: () => window.stage,
    getVerificationCode: () => window.stage === 'WaitingForVerificationCodeConfirmation' ? 'K7RM2QXP' : null,
  }`;
  await drive(`window.stage = 'WaitingForVerificationCodeConfirmation';
    ${withModule('WAWebShortcakeLinkingApi', api)};
    require('WAWebLinkDeviceEvents').WAWebLinkDeviceEvents.trigger(
      'link_device_events:shortcake_verification_code_ready', 'K7RM2QXP', false);`);
  await child.line(({ step }) => step === 'code');
  await drive(`window.stage = 'WaitingForPairingCompletion'`);
  await child.line(({ step }) => step === 'working');
  await drive(`window.stage = 'NotStarted'; leadmasterd.look()`);
  await standin.act('scan', SHOP);
  await child.line('ready');
  assert.deepEqual(
    child.ofType('passkey').map(({ step }) => step),
    ['code', 'working', 'done'],
  );
});

/** The screen that asks for a passkey, as a build of mid 2026 has it. */
const CARD = `document.body.insertAdjacentHTML('beforeend', \`<div id="passkey">
  <div data-testid="shortcake_passkey_prompt_card">Use your passkey</div>
  <button data-testid="shortcake_cancel_button">Cancel</button></div>\`);`;

describe('with one child that is not linked yet', () => {
  const { next } = sharedChild(drivenListening, async ({ start }) => {
    const child = await start();
    await child.line('qr');
    return child;
  });

  test('while a passkey is asked for no code is sent or asked for, and codes come again when it is cancelled', async () => {
    const { standin, child, drive, line } = next();
    await standin.act('scan', { ...SHOP, passkey: true });
    const asked = await line('passkey');
    assert.deepEqual([asked.where, asked.step, asked.by], ['linking', 'asked', 'event']);
    const codes = child.ofType('qr').length;
    await standin.act('rotate_qr');
    await standin.act('state', { state: 'UNPAIRED_IDLE' });
    child.send({ type: 'pairing_code', phone: '5491155550100' });
    assert.match((await line('command_error')).message, /passkey/);
    assert.equal(child.ofType('qr').length, codes);
    await drive(`document.querySelector('[data-testid="shortcake_cancel_button"]').click();
      ${SOCKET}.set('state', 'UNPAIRED')`);
    const failed = await line(({ type, step }) => type === 'passkey' && step === 'failed');
    await line(({ type, seq }) => type === 'qr' && seq > failed.seq);
  });

  test('a passkey while linking that no event told is seen within seconds, with its code, and done when linked', async () => {
    const { standin, drive, line } = next();
    const api = `{
      getShortcakeLinkingStage: () => window.stage ?? 'NotStarted',
      getVerificationCode: () => window.stage === 'WaitingForVerificationCodeConfirmation' ? 'K7RM-2QXP' : null,
    }`;
    const since = Date.now();
    await drive(`${withModule('WAWebShortcakeLinkingApi', api)} ${CARD}`);
    const asked = await line('passkey');
    assert.deepEqual([asked.where, asked.step, asked.by], ['linking', 'asked', 'level']);
    assert.ok(Date.now() - since < 10_000);
    await drive(`window.stage = 'WaitingForPrimaryIdentity'`);
    await line(({ type, step }) => type === 'passkey' && step === 'working');
    await drive(`window.stage = 'WaitingForVerificationCodeConfirmation'`);
    assert.equal((await line(({ step }) => step === 'code')).code, 'K7RM-2QXP');
    await drive(`window.stage = 'NotStarted'; document.querySelector('#passkey').remove();`);
    await standin.act('scan', SHOP);
    const done = await line(({ type, step }) => type === 'passkey' && /done|failed/.test(step));
    assert.equal(done.step, 'done');
    await line('ready');
  });
});

test('a second pairing code is refused while the first is being made', async (context) => {
  const { start, drive } = await setUp(context);
  const child = await start();
  await drive(`{
    const api = leadmasterd.requireOriginal('WAWebAltDeviceLinkingApi');
    const { startAltLinkingFlow } = api;
    api.startAltLinkingFlow = async (...given) => {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      return startAltLinkingFlow(...given);
    };
  }`);
  child.send({ type: 'pairing_code', phone: '5491155550100' });
  child.send({ type: 'pairing_code', phone: '5491155550100' });
  assert.match((await child.line('command_error')).message, /being requested already/);
  await child.line('pairing_code');
  assert.equal(child.ofType('command_error').length, 1);
  await until(() => {
    child.send({ type: 'pairing_code', phone: '5491155550100' });
    return child.ofType('pairing_code').length > 1;
  });
});

test('a call is told once, by the Map or as the active call', async (context) => {
  const { standin, start, drive } = await setUp(context, { ways: { calls: 'map' } });
  const child = await start();
  await drive(`leadmasterd.requireOriginal('WAWebCallCollection').setActiveCall = function (call) {
    this.activeCall = call;
  }`);
  await standin.act('scan', SHOP);
  await child.line('ready');
  await standin.act('call', { from: '5491155550001', log: false });
  const first = await child.line('call');
  assert.equal(first.source, 'collection');
  const peer = `{ user: '5491155550002', server: 'c.us' }`;
  await drive(`{
    const collection = leadmasterd.requireOriginal('WAWebCallCollection');
    const call = { id: 'NATIVE', peerJid: ${peer}, isVideo: true, outgoing: false };
    call.itself = call;
    for (let times = 0; times < 3; times += 1) collection.setActiveCall(call);
    collection.setActiveCall({ id: '${first.call_id}', peerJid: ${peer} });
    collection.setActiveCall(null);
  }`);
  const native = await child.line((line) => line.type === 'call' && line.call_id === 'NATIVE');
  assert.deepEqual([native.source, native.chat, native.video], ['active_call', '5491155550002@c.us', true]);
  await standin.act('call', { from: '5491155550003', log: false });
  await child.line((line) => line.type === 'call' && line.chat === '5491155550003@c.us');
  assert.equal(child.ofType('call').length, 3);
});

test('a call that rang before the module was seen, which came late, is told', async (context) => {
  const { standin, start, drive } = await setUp(context, { lateMs: 6_000 });
  const child = await start();
  // so soon after the module has come that nothing has had the time to wrap it
  await drive(`{
    const ring = setInterval(() => {
      let collection;
      try {
        collection = leadmasterd.requireOriginal('WAWebCallCollection');
      } catch {
        return;
      }
      clearInterval(ring);
      const peerJid = { user: '5491155550001', server: 'c.us' };
      collection.calls.set('IN_MAP', { id: 'IN_MAP', peerJid, isVideo: false, outgoing: false });
      collection.setActiveCall({ id: 'ACTIVE', peerJid, isVideo: true, outgoing: false });
    }, 10);
  }`);
  await standin.act('scan', SHOP);
  await child.line(({ type, call_id }) => type === 'call' && call_id === 'ACTIVE');
  assert.deepEqual(
    child.ofType('call').map(({ call_id, source }) => [call_id, source]),
    [
      ['IN_MAP', 'collection'],
      ['ACTIVE', 'active_call'],
    ],
  );
});
