// The dialog that can cost the link: the phone unlinks a device that leaves "What's new" open (wwebjs#3550, OpenWA#982).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStandin } from '../../standin/server.js';
import { startChild, temporaryProfile } from '../support/child.js';
import { until } from '../support/waiting.js';

describe('dialogs of a linked page', () => {
  /** @type {Awaited<ReturnType<typeof startStandin>>} */
  let standin;
  /** @type {import('../support/child.js').Child} */
  let child;
  /** @type {Awaited<ReturnType<typeof temporaryProfile>>} */
  let profile;

  before(async () => {
    standin = await startStandin();
    profile = await temporaryProfile();
    child = await startChild(profile.path, standin.browserArgs);
    await child.line('qr');
    await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
    await child.line('ready');
  });
  after(async () => {
    await child?.end();
    await standin?.close();
    await profile?.remove();
  });

  test("what's new is acknowledged in time and reported, and the link survives", async () => {
    const ms = 8_000;
    const shown = Date.now();
    await standin.act('dialog', { text: "What's new on WhatsApp Web", others: ['Learn more'], ms });
    const { text, button, dismissed } = await child.line('dialog');
    assert.match(text, /^What's new on WhatsApp Web/);
    assert.deepEqual([button, dismissed], ['Continue', true]);
    await until(() => /** @type {any} */ (standin.state().dialogs[0]).clicked === 'Continue');
    await until(() => Date.now() - shown > ms + 500);
    assert.equal(standin.state().paired, true);
    assert.deepEqual(child.ofType('disconnected'), []);
  });

  test('again after a reload, in Spanish', async () => {
    const start = child.lines.length;
    await standin.act('reload', { synced: true });
    await child.line('ready', { after: start });
    await standin.act('dialog', { text: 'Novedades', button: 'Entendido' });
    const { button, dismissed } = await child.line('dialog', { after: start });
    assert.deepEqual([button, dismissed], ['Entendido', true]);
  });

  test('a dialog that asks something is reported once, in 200 characters, and left alone; messages arrive', async () => {
    const start = child.lines.length;
    await standin.act('dialog', {
      text: `Log out? ${'x'.repeat(500)}`,
      button: 'Log out',
      others: ['Cancel', 'OK'],
    });
    const line = await child.line('dialog', { after: start });
    assert.deepEqual([line.text.length, line.button, line.dismissed], [200, null, false]);
    await standin.act('deliver', { id: 'T1', from: '5491155550001', body: 'hola' });
    await child.line((each) => each.id?.id === 'T1', { after: start });
    assert.equal(/** @type {any} */ (standin.state().dialogs.at(-1)).clicked, null);
    assert.equal(child.lines.slice(start).filter((each) => each.type === 'dialog').length, 1);
  });

  test('an unacknowledged dialog costs the link, so the other tests prove something', async () => {
    await standin.act('dialog', { text: 'Terms', button: 'I agree', ms: 100 });
    assert.equal((await child.line('disconnected')).reason, 'LOGOUT');
    assert.equal((await child.line('bye')).reason, 'logged_out');
  });
});
