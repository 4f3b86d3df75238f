import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { createPasskey } from '../src/passkey.js';
import { createSession } from '../src/session.js';

function setUp() {
  let time = 1_795_400_000_000;
  let left = 0;
  /** @type {Record<string, any>[]} */
  const lines = [];
  /** @type {any} */
  const wire = {
    send: (/** @type {string} */ type, /** @type {object} */ fields) => lines.push({ type, ...fields }),
  };
  const session = createSession({
    wire,
    leave: () => (left += 1),
    leaving: () => left > 0,
    onState() {},
    now: () => time,
  });
  return { lines, wire, session, left: () => left, pass: (/** @type {number} */ ms) => (time += ms) };
}

test('a state is a line when it changes or its stream does; the library, which knows no stream, changes none', () => {
  const { session, lines } = setUp();
  session.state('CONNECTED', 'DISCONNECTED');
  session.state('CONNECTED');
  session.state('CONNECTED', 'CONNECTED');
  session.state('OPENING');
  assert.deepEqual(
    lines.map(({ state, stream }) => [state, stream]),
    [
      ['CONNECTED', 'DISCONNECTED'],
      ['CONNECTED', 'CONNECTED'],
      ['OPENING', 'CONNECTED'],
    ],
  );
});

test('a logout is told once, with the reason of the address that follows it', () => {
  const { session, lines, left } = setUp();
  session.loggingOut('starting');
  session.loggingOut('done');
  assert.deepEqual(lines, []);
  session.moved('https://web.whatsapp.com/?post_logout=1&logout_reason=4');
  session.libraryLoggedOut('https://web.whatsapp.com/');
  session.moved('https://web.whatsapp.com/?logout_reason=2');
  assert.deepEqual(lines, [{ type: 'disconnected', reason: 'LOGOUT', logout_reason: '4', by: 'event' }]);
  assert.equal(left(), 1);
});

test('the address and the library are signs of their own', () => {
  for (const [address, by] of [
    ['https://web.whatsapp.com/?logout_reason=3', 'address'],
    ['https://web.whatsapp.com/?post_logout=1', 'address'],
    ['https://web.whatsapp.com/', 'library'],
  ]) {
    const { session, lines } = setUp();
    session.moved(address);
    session.libraryLoggedOut(address);
    assert.deepEqual([lines.length, lines[0].by], [1, by]);
  }
});

test('a page that logs out and does not reload is not waited for long, and a stop loses nothing', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { session, lines, left } = setUp();
  session.loggingOut('starting');
  context.mock.timers.tick(9_999);
  assert.equal(left(), 0);
  context.mock.timers.tick(1);
  assert.deepEqual([lines.length, left()], [1, 1]);

  const other = setUp();
  other.session.loggingOut('starting');
  other.session.stop();
  assert.equal(other.lines[0].by, 'event');
  context.mock.timers.tick(60_000);
  assert.equal(other.lines.length, 1);
});

test('the end of a ban is counted from now, unless it can only be a time', () => {
  const { session, lines, pass } = setUp();
  session.banned({ code: 104, expire: 3600, message: null });
  session.banned({ code: 104, expire: 3599, message: null });
  pass(60_000);
  session.banned({ code: 104, expire: 1_795_500_000, message: 'x'.repeat(500) });
  session.banned({ code: null, expire: undefined, message: undefined });
  assert.deepEqual(
    lines.map(({ code, expires }) => [code, expires]),
    [
      ['104', 1_795_403_600],
      ['104', 1_795_500_000],
      [null, null],
    ],
  );
  assert.equal(lines[1].message.length, 300);
});

test('what a page showed is gone with its document', () => {
  const { session, lines } = setUp();
  session.started();
  session.screen({ name: 'locked', text: 'App lock is on', shown: true });
  session.started();
  session.started();
  assert.deepEqual(
    lines.map(({ name, shown }) => [name, shown]),
    [
      ['locked', true],
      ['locked', false],
    ],
  );
});

test('passkey steps: each once, done when linked, failed when codes are shown again', () => {
  const { lines, wire } = setUp();
  const cancelled = mock.fn();
  const passkey = createPasskey({ wire, onCancelled: cancelled });
  /** @param {any} step */
  const linking = (step, code = null) => ({
    found: { where: /** @type {const} */ ('linking'), step, code, by: /** @type {const} */ ('level') },
    linked: false,
    failed: false,
    unchecked: false,
  });
  const nothing = { found: null, linked: false, failed: false, unchecked: false };
  const linked = { ...nothing, linked: true };
  passkey.update(nothing);
  passkey.update(linking('asked'));
  passkey.update(linking('asked'));
  assert.equal(passkey.stopsCodes, true);
  passkey.update({ ...linking('asked'), failed: true });
  passkey.update(linking('code', /** @type {any} */ ('AB')));
  passkey.update(nothing);
  assert.equal(passkey.stopsCodes, false);
  passkey.update(linking('asked'));
  passkey.update(linked);
  const check = /** @type {const} */ ({ where: 'check', step: 'asked', code: null, by: 'level' });
  passkey.update({ ...linked, found: check });
  assert.equal(passkey.stopsCodes, false);
  passkey.update(linked); // a new document, which has not read its preferences yet
  passkey.update({ ...linked, unchecked: true });
  assert.deepEqual(
    lines.map(({ where, step }) => `${where} ${step}`),
    [
      'linking asked',
      'linking failed',
      'linking asked',
      'linking code',
      'linking failed',
      'linking asked',
      'linking done',
      'check asked',
      'check done',
    ],
  );
  assert.equal(cancelled.mock.callCount(), 1, 'codes are shown again once');
});
