// Sweeps: what arrived while the page was away, and how fast it comes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStandin } from '../../standin/server.js';
import { startChild, temporaryProfile } from '../support/child.js';
import { amount } from '../support/depth.js';
import { drivenListening, sharedChild, whileAway } from '../support/listening.js';
import { sweep } from '../support/sweeping.js';
import { until } from '../support/waiting.js';

const ANA = '5491155550001@c.us';

/** Both ways of the page: what waited is stored before it is synced and never emitted, or emitted after that. */
const RESUMES = /** @type {const} */ ([
  { shape: 'serialized', ways: 'old', by: 'paging' },
  { shape: 'serialized', ways: 'page', by: 'disk' },
  { shape: 'dollar', ways: 'page', by: 'disk' },
]);
for (const { shape, ways, by } of RESUMES) {
  describe(`what arrived while the page was away, the ${ways} ways, ids in the ${shape} shape`, () => {
    const t = 1795400000;
    /** Where the lines of the page begin that came back. */
    let back = 0;
    const { next } = sharedChild(
      (context) => drivenListening(context, { keyShape: shape, widShape: shape, pageSize: 3, ways }),
      async (listener) => {
        const child = await listener.linked();
        // Not in memory when the page comes back: the old one has nothing else to show that it pages back.
        await listener.standin.act('deliver', {
          id: 'EARLY',
          from: '5491155550001',
          body: 'antes',
          t: t - 60,
        });
        await listener.standin.act('deliver', { id: 'LIVE', from: '5491155550001', body: 'en vivo', t });
        await child.line((line) => line.id?.id === 'LIVE');
        back = child.lines.length;
        await whileAway({ ...listener, child }, () => deliverAll(listener.standin));
        return child;
      },
    );

    /** @param {import('../../standin/server.js').Standin} standin */
    async function deliverAll(standin) {
      for (let n = 1; n <= 8; n += 1) {
        await standin.act('deliver', {
          id: `DOWN${n}`,
          from: '5491155550001',
          body: `perdido ${n}`,
          t: t + 10 * n,
        });
      }
      await standin.act('own', { id: 'OWN', to: '5491155550001', body: 'desde el teléfono', t: t + 100 });
      await standin.act('ciphertext', { id: 'CIPHER', from: '5491155550002', t: t + 50 });
      await standin.act('deliver', {
        id: 'GROUP',
        from: '120363000000000001@g.us',
        author: '5491155550001',
        body: 'x',
        t: t + 60,
      });
      await standin.act('deliver', {
        id: 'STATUS',
        from: 'status@broadcast',
        author: '5491155550001',
        body: 'x',
        t: t + 60,
      });
      await standin.act('deliver', {
        id: 'NOTICE',
        from: '5491155550001',
        type: 'e2e_notification',
        t: t + 110,
      });
      await standin.act('deliver', {
        id: 'CHANGED',
        from: '5491155550001',
        type: 'notification_template',
        subtype: 'change_number',
        templateParams: ['5491155550009@c.us', ANA],
        t: t + 105,
      });
      await standin.act('deliver', { id: 'GONE', from: '5491155550003', body: 'x', t: t + 70 });
      await standin.act('revoke', { id: 'GONE' });
    }

    test('ready is not fresh, and what is emitted live, if the page emits it at all, comes once', async () => {
      const { standin, child } = next();
      assert.equal((await child.line('ready', { after: back })).fresh, false);
      await standin.act('wait', { for: 'drained' });
      const lines = child.lines.slice(back);
      const live = lines.filter(({ via, id }) => via === 'live' && id).map(({ id }) => id.id);
      assert.equal(new Set(live).size, live.length);
      if (ways === 'old') assert.deepEqual(live, []);
      assert.deepEqual(
        lines.filter(({ type }) => type === 'qr'),
        [],
      );
    });

    test('a sweep brings all of it, own messages, ciphertexts and revoked ones too', async () => {
      const { child } = next();
      const { done, chats, found, ids, lines } = await sweep(child, { from: t + 1 });
      assert.deepEqual(
        ids.toSorted(),
        ['CIPHER', 'GONE', 'OWN', ...Array.from({ length: 8 }, (_, index) => `DOWN${index + 1}`)].toSorted(),
      );
      const ana = found.filter((line) => line.id.remote === ANA).map((line) => line.t);
      assert.deepEqual(ana, ana.toSorted(), 'oldest first');
      assert.equal(found.find((line) => line.id.id === 'CIPHER')?.type, 'ciphertext');
      assert.equal(found.find((line) => line.id.id === 'OWN')?.id.fromMe, true);
      assert.equal(found.find((line) => line.id.id === 'GONE')?.message_type, 'revoked');
      assert.ok(lines.some((line) => line.type === 'message_revoke' && line.id.id === 'GONE'));
      const changed = lines.filter((line) => line.type === 'number_change');
      assert.deepEqual(
        changed.map((line) => [line.via, line.old, line.new, line.t]),
        [['sweep', '5491155550009@c.us', ANA, t + 105]],
      );
      const { v, type, seq, at, sweep: _, started_at, ...totals } = done;
      assert.deepEqual(totals, {
        chats: 5,
        looked_at: 3,
        messages: 11,
        failed: 0,
        unloaded: 0,
        read_by: by,
        oldest: t + 10,
        newest: t + 100,
        error: null,
      });
      const chat = chats.find((line) => line.chat === ANA);
      assert.equal(chat?.found, 9);
      assert.equal(chat?.through, t + 110, 'the notice is in the chat, though not on the wire');
      assert.equal(chat?.error, null);
    });

    test("a chat's own start, and ignored chats", async () => {
      const { child } = next();
      const later = await sweep(child, { from: t, chats: { [ANA]: t + 71 }, ignore: ['5491155550002@c.us'] });
      assert.deepEqual(later.ids.toSorted(), ['DOWN8', 'GONE', 'OWN']);
      const nothing = await sweep(child, { from: t + 10_000 });
      assert.deepEqual(nothing.chats, []);
      assert.equal(nothing.done.newest, null);
    });

    test('sweeps wait for each other', async () => {
      const { child } = next();
      const [one, two] = await Promise.all([sweep(child, { from: t }), sweep(child, { from: t })]);
      assert.ok(one.done.seq < two.done.seq);
      assert.equal(
        one.ids.length,
        two.ids.length - one.ids.length,
        'the second begins when the first is done',
      );
    });

    test('nothing was marked read, queried or sent', () => {
      const { standin, child } = next();
      const { sent, queries } = standin.state();
      assert.deepEqual([sent, queries], [[], []]);
      assert.deepEqual(child.ofType('page_error'), []);
    });

    test('after a reload, also one that comes back synced, it is ready again and messages arrive', async () => {
      const { standin, child } = next();
      for (const synced of [true, false]) {
        const start = child.lines.length;
        const announced = standin.state().presence.length;
        await standin.act('reload', { synced });
        const ready = await child.line('ready', { after: start });
        assert.equal(ready.fresh, false);
        await standin.act('deliver', { id: `AFTER-${synced}`, from: '5491155550001', body: 'sigo acá' });
        await child.line((line) => line.id?.id === `AFTER-${synced}`, { after: start });
        const presence = () => /** @type {any[]} */ (standin.state().presence.slice(announced));
        await until(() => presence().some(({ available }) => available === false)); // the last step of a load
        assert.equal(child.lines.slice(start).filter((line) => line.type === 'ready').length, 1);
        assert.equal(child.lines.slice(start).filter((line) => line.type === 'authenticated').length, 1);
      }
    });

    test('frames and pushState change nothing', async () => {
      const { standin, child } = next();
      const start = child.lines.length;
      for (const kind of ['pushState', 'iframe']) await standin.act('navigate', { kind });
      await standin.act('deliver', { id: 'STILL', from: '5491155550001', body: 'sigo' });
      await child.line((line) => line.id?.id === 'STILL', { after: start });
      const seen = child.lines.slice(start).map((line) => line.type);
      assert.deepEqual(
        seen.filter((type) => type !== 'heartbeat'),
        ['message'],
      );
    });
  });
}

// More than the 64 KB that a pipe holds, and more chats than all others here; 20 messages each.
const CHATS = amount(50, 500);

test(`${20 * CHATS} messages in ${CHATS} chats are swept in less than a minute`, async (context) => {
  const standin = await startStandin({ keyShape: 'dollar' });
  const profile = await temporaryProfile();
  const child = await startChild(profile.path, standin.browserArgs);
  context.after(async () => {
    await child.end();
    await standin.close();
    await profile.remove();
  });
  await child.line('qr');
  await standin.act('scan', {
    phone: '5491155550100',
    name: 'Tienda',
    history: { chats: CHATS, messages: 20 * CHATS },
  });
  await child.line((line) => line.type === 'heartbeat' && line.history === 'complete');
  const start = Date.now();
  const { done, ids } = await sweep(child);
  const seconds = (Date.now() - start) / 1000;
  context.diagnostic(`${ids.length} messages in ${done.looked_at} chats took ${seconds} s`);
  assert.equal(new Set(ids).size, 20 * CHATS);
  assert.equal(done.failed, 0);
});

describe('a page in trouble', () => {
  /** @type {Awaited<ReturnType<typeof startStandin>>} */
  let standin;
  before(async () => {
    standin = await startStandin();
  });
  after(() => standin.close());

  test('a sweep before ready is refused, and ready is not sent before the listeners are attached', async (context) => {
    const profile = await temporaryProfile();
    const child = await startChild(profile.path, standin.browserArgs);
    context.after(async () => {
      await child.end();
      await profile.remove();
    });
    await child.line('qr');
    const { done } = await sweep(child);
    assert.equal(done.error, 'the page is not ready');

    // and with a module missing, ready is not sent until the listeners are attached
    await standin.act('missing', { modules: ['WAWebCollections'] });
    const start = child.lines.length;
    await standin.act('reload');
    await child.line('qr', { after: start }); // or the scan would link the page that is going away
    await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
    const error = await child.line((line) => line.type === 'page_error' && line.source === 'inject', {
      after: start,
    });
    assert.match(error.message, /WAWebCollections/);
    assert.deepEqual(child.ofType('ready'), []);

    await standin.act('missing', { modules: [] });
    await standin.act('reload', { synced: true });
    await child.line('ready');
    await standin.act('deliver', { id: 'AFTER', from: '5491155550001', body: 'al fin' });
    await child.line((line) => line.id?.id === 'AFTER');
    assert.equal(child.ofType('ready').length, 1);
  });
});

test('groups arrive when configured, with their authors; a burst arrives whole', async (context) => {
  const standin = await startStandin({ keyShape: 'dollar' });
  const profile = await temporaryProfile();
  const child = await startChild(profile.path, standin.browserArgs, { groups: true });
  context.after(async () => {
    await child.end();
    await standin.close();
    await profile.remove();
  });
  await child.line('qr');
  await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
  await child.line('ready');
  const group = { id: 'G1', from: '120363000000000001@g.us', author: '5491155550001', body: 'en el grupo' };
  await standin.act('deliver', group);
  const line = await child.line('message');
  assert.equal(line.author, ANA);
  assert.equal(line.id.participant, ANA);
  assert.equal(line.contact.phone, ANA);
  const { ids } = await sweep(child);
  assert.deepEqual(ids, ['G1']);

  const start = Date.now();
  const count = amount(1_000, 3_000); // more than the 64 KB that a pipe holds, over several heartbeats
  await standin.act('deliver', { from: '5491155551000', body: 'rafaga {n}', count, spread: 100 });
  const live = () => child.lines.filter((each) => each.type === 'message' && each.via === 'live');
  await until(() => live().length === count + 1);
  context.diagnostic(`${count} live messages took ${(Date.now() - start) / 1000} s`);
  assert.equal(new Set(live().map((each) => each.id.id)).size, count + 1);
  const beat = await child.line((each) => each.type === 'heartbeat' && each.added === count + 1);
  assert.equal(beat.emitted, count + 1);
  assert.equal(beat.dropped, 0);
});

test('a page that hangs: commands are answered, sweeps end with an error, and stop still works', async (context) => {
  const standin = await startStandin();
  const profile = await temporaryProfile();
  const timing = { heartbeat: 300, authentication: 20_000, protocol: 20_000, evaluate: 1_000 };
  const child = await startChild(profile.path, standin.browserArgs, { timing });
  context.after(async () => {
    await child.end();
    await standin.close();
    await profile.remove();
  });
  await child.line('qr');
  await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
  await child.line('ready');
  await standin.act('hang');
  await child.answers();
  const { done } = await sweep(child);
  assert.match(done.error, /did not answer within 1000 ms/);
  child.send({ type: 'stop' });
  assert.equal((await child.exit).code, 0);
});
