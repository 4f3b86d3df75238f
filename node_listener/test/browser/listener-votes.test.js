// Votes on polls, which the page keeps in a table of its own: as they come, and those of the time away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drivenListening, listening, whileAway } from '../support/listening.js';
import { sweep } from '../support/sweeping.js';

const ANA = '5491155550001@c.us';
const SHOP = '5491155550100@c.us';
const POLL = {
  type: 'poll_creation',
  pollName: '¿Qué día?',
  pollOptions: Array.from({ length: 12 }, (_, localId) => ({ name: `Día ${localId}`, localId })),
};

for (const keyShape of /** @type {const} */ (['serialized', 'dollar', 'unknown'])) {
  test(`votes arrive live and by sweep, ids in the ${keyShape} shape`, async (context) => {
    const { standin, linked, drive } = await drivenListening(context, { keyShape });
    const child = await linked();
    const now = Math.floor(Date.now() / 1000);
    const [poll] = (await standin.act('own', { to: ANA, t: now - 90, ...POLL })).ids;
    const created = await child.line((line) => line.id?.id === poll);
    assert.deepEqual(
      created.poll.options.map((/** @type {any} */ option) => option.name),
      POLL.pollOptions.map(({ name }) => name),
    );

    /** @param {Record<string, unknown>} how */
    const vote = async (how) => {
      const { vote_id } = await standin.act('vote', { id: poll, from: ANA, ...how });
      return { id: vote_id, line: await child.line((line) => line.id?.id === vote_id) };
    };
    const { line } = await vote({ options: [1, 11], t: now - 60 });
    assert.deepEqual(
      {
        type: line.type,
        via: line.via,
        kind: line.message_type,
        body: line.body,
        from: line.from,
        t: line.t,
      },
      { type: 'message', via: 'live', kind: 'poll_vote', body: 'Día 1, Día 11', from: ANA, t: now - 60 },
    );
    assert.deepEqual(line.id, { fromMe: false, remote: ANA, id: line.id.id, participant: null });
    assert.deepEqual(line.poll_vote, {
      poll,
      question: '¿Qué día?',
      selected: [1, 11],
      options: ['Día 1', 'Día 11'],
    });
    assert.equal(line.contact.phone, ANA);
    const back = (await vote({ options: [], t: now - 50 })).line;
    assert.deepEqual([back.body, back.poll_vote.selected], [null, []]);
    const ours = (await vote({ options: [2], from_me: true, t: now - 40 })).line;
    assert.equal(ours.id.fromMe, true);

    // What came while nothing listened, on a poll that is not read back itself.
    let away = '';
    await whileAway({ standin, drive, child }, async () => {
      away = (await standin.act('vote', { id: poll, from: ANA, options: [3], t: now - 30 })).vote_id;
      await standin.act('deliver', { from: ANA, body: 'ahí voté', t: now - 20 });
    });
    const { found, done } = await sweep(child, { from: now - 45 });
    const votes = found.filter((each) => each.message_type === 'poll_vote');
    assert.deepEqual(
      votes.map((each) => [each.id.id, each.body]).toSorted(),
      [
        [away, 'Día 3'],
        [ours.id.id, 'Día 2'],
      ].toSorted(),
    );
    assert.equal(done.error, null);
    const ignored = await sweep(child, { from: now - 45, ignore: [ANA] });
    assert.deepEqual(ignored.found, []);
    assert.deepEqual(standin.state().sent, []);
  });
}

test('without the tables of votes everything else goes on', async (context) => {
  const modules = ['WAWebPollsVotesSchema', 'WAWebPollsPollVoteCollection', 'WAWebAddonPollVoteTableMode'];
  const { standin, start } = await listening(context);
  await standin.act('missing', { modules });
  const child = await start();
  await child.line('qr');
  await standin.act('scan', { phone: SHOP.split('@')[0], name: 'Tienda' });
  await child.line('ready');
  await standin.act('deliver', { from: ANA, id: 'HELLO', body: 'hola' });
  await child.line((line) => line.id?.id === 'HELLO');
  const { ids, done } = await sweep(child);
  assert.deepEqual([ids, done.error], [['HELLO'], null]);
  assert.ok(!child.lines.some((line) => line.type === 'page_error'));
});
