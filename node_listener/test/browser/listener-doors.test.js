// Code inside the child tries to send by other doors than the page's `require`: what can be refused is refused, and the rest
// is seen and reported.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStandin } from '../../standin/server.js';
import { startChild, temporaryProfile } from '../support/child.js';

const DOORS = new URL('../support/doors.js', import.meta.url).href;

describe('a program inside the child that tries other doors', () => {
  /** @type {Awaited<ReturnType<typeof startStandin>>} */
  let standin;
  /** @type {import('../support/child.js').Child} */
  let child;
  /** @type {Awaited<ReturnType<typeof temporaryProfile>>} */
  let profile;

  before(async () => {
    standin = await startStandin({ autoPresence: false, apart: true, lateMs: 5_000 });
    profile = await temporaryProfile();
    child = await startChild(profile.path, standin.browserArgs, {}, { node: [`--import=${DOORS}`] });
    await child.line('qr');
    await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
    await child.stderrHas('doors over');
  });
  after(async () => {
    await child?.end();
    await standin?.close();
    await profile?.remove();
  });

  /** @param {string} where */
  const reported = (where) =>
    child
      .ofType('outbound_blocked')
      .flatMap((line) => (line.where === where ? `${line.module}.${line.function}` : []));

  for (const [door, name] of [
    ['our own require', 'WAWebSendReactionMsgAction.sendReactionToMsg'],
    ['our own require, for a module that has just come', 'WAWebChatForwardMessage.forwardMessages'],
    ['a worker', 'browser.Worker'],
    ['a shared worker', 'browser.SharedWorker'],
    ['a socket', 'browser.WebSocket'],
    ['an open socket', 'browser.WebSocket.send'],
    ["an empty frame's worker", 'browser.Worker'],
    ['a frame with the page in it', 'WAWebSendReactionMsgAction.sendReactionToMsg'],
  ]) {
    test(`refused and reported: ${door}`, () => {
      assert.match(child.stderr, new RegExp(`door ${door}: failed: .*leadmasterd only listens: ${name} was`));
      assert.ok(reported('page').includes(name), reported('page').join(', '));
    });
  }

  for (const [door, kind] of [
    ['import', 'script'],
    ['the raw socket', 'fetch'],
    ['a frame with the page in it', 'document'],
  ]) {
    test(`seen and reported: the request of ${door}`, () => {
      assert.match(child.stderr, new RegExp(`door ${door}: `));
      assert.ok(
        reported('seen').includes(`browser.${kind} https://web.whatsapp.com`),
        reported('seen').join(', '),
      );
    });
  }

  test('another page of the browser is reported, and closed', () => {
    assert.match(child.stderr, /door another page: closed/);
    assert.ok(reported('seen').includes('browser.page'), reported('seen').join(', '));
  });

  test("the page's own workers and sockets are left alone", () => {
    assert.match(child.stderr, /door a script of the page's own: went through/);
  });

  test('only what cannot be refused has gone through', () => {
    const sent = standin.state().sent.map((each) => /** @type {any} */ (each).function);
    assert.deepEqual(sent, ['import', 'raw']);
  });
});
