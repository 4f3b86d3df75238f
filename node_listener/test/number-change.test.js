// The notice of a changed number, as builds of the page give it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberChangeFields } from '../src/message/number-change.js';
import { createRelay } from '../src/relay.js';

const OLD = '5491155550001@c.us';
const NEW = '5491155550003@c.us';
const notice = (/** @type {unknown} */ templateParams, chat = OLD) => ({
  id: { fromMe: false, remote: chat, id: 'N1' },
  t: 1795400269,
  type: 'notification_template',
  subtype: 'change_number',
  templateParams,
});
/** @param {Record<string, unknown>} raw */
const sent = (raw, groups = false) => {
  /** @type {[string, Record<string, unknown> | undefined][]} */
  const lines = [];
  const send = (/** @type {string} */ type, /** @type {Record<string, unknown> | undefined} */ fields) =>
    lines.push([type, fields]);
  const wire = /** @type {import('../src/wire.js').Wire} */ (/** @type {unknown} */ ({ send }));
  const isMessage = createRelay(wire, groups, () => 0).message(raw, 'sweep');
  return { lines, isMessage };
};
const known = { via: 'live', old: OLD, new: NEW, old_lid: null, new_lid: null, t: 1795400269 };

test('a notice names the old and the new number, in the chat of either', () => {
  for (const chat of [OLD, NEW])
    assert.deepEqual(numberChangeFields(notice([OLD, NEW], chat), 'live'), known);
  const wids = [OLD, NEW].map((id) => ({ user: id.split('@')[0], server: 'c.us', _serialized: id }));
  assert.deepEqual(numberChangeFields(notice(wids), 'live'), known);
});

test('it may name the LIDs as well, and ids of a device at a provider', () => {
  const params = [OLD, '5491155550003:2@hosted', '11@lid', '12@hosted.lid'];
  const fields = numberChangeFields(notice(params), 'live');
  assert.deepEqual(fields, { ...known, old_lid: '11@lid', new_lid: '12@lid' });
});

test('a short one names the other id of its chat', () => {
  assert.deepEqual(numberChangeFields(notice([NEW]), 'live'), known);
});

test('one that does not name two people says nothing', () => {
  for (const params of [
    undefined,
    null,
    [],
    [OLD],
    [OLD, OLD],
    [OLD, '1@g.us'],
    ['x', NEW],
    [null, NEW],
    'text',
  ])
    assert.equal(numberChangeFields(notice(params), 'live'), null, JSON.stringify(params));
});

test('the relay puts it on the wire as a line of its own, and it is no message', () => {
  const { lines, isMessage } = sent(notice([OLD, NEW]));
  assert.deepEqual(lines, [['number_change', { ...known, via: 'sweep' }]]);
  assert.equal(isMessage, false);
});

test('other notices, and those in groups, stay off the wire', () => {
  for (const raw of [
    { ...notice([OLD, NEW]), subtype: 'change_username' },
    { ...notice([OLD, NEW]), type: 'gp2' },
    notice([OLD, NEW], '1@g.us'),
    notice([OLD, NEW], 'status@broadcast'),
  ])
    assert.deepEqual(sent(raw, true).lines, []);
});
