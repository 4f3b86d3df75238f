// Where a sweep starts in a chat: two chats of one person have watermarks of their own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ofOnePerson, startOf } from '../src/sweep.js';

const ANA = '5491155550001@c.us';
const LID = '88001122334455@lid';

/** @param {string} chat @param {Record<string, number>} chats @param {string[]} [ignore] */
const start = (chat, chats, ignore = []) =>
  startOf(
    { chat, t: 900, aliases: chat === ANA ? [LID] : [ANA] },
    { type: 'sweep', sweep: 1, from: 100, chats, ignore },
  );

test('a chat starts at its own watermark, and never at that of another chat of its person', () => {
  assert.equal(start(ANA, {}), 100);
  assert.equal(start(ANA, { [ANA]: 500 }), 500);
  assert.equal(start(LID, { [ANA]: 500 }), 100);
  assert.equal(start('5491155550001@hosted', { [ANA]: 500 }), 100);
});

test('an earlier start holds for all chats of the person', () => {
  assert.equal(start(LID, { [ANA]: 50 }), 50);
  assert.equal(start(LID, { [ANA]: 50, [LID]: 500 }), 50);
});

test('an ignored chat is ignored under each of its names', () => {
  assert.equal(start(ANA, {}, [LID]), null);
});

test('chats of one person are known by any name that they share', () => {
  const hosted = '5491155550001@hosted';
  const [phone, lid, provider, other] = [
    { chat: ANA, t: 1, aliases: [] },
    { chat: LID, t: 1, aliases: [ANA] },
    { chat: hosted, t: 1, aliases: [ANA, LID] },
    { chat: '5491155550002@c.us', t: 1, aliases: ['99001122334455@lid'] },
  ];
  assert.deepEqual([...ofOnePerson([phone, lid, provider, other])], [LID, ANA, hosted]);
  assert.deepEqual([...ofOnePerson([phone, other])], []);
});
