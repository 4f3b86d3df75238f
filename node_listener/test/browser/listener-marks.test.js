// The marks of a message are the same whether it comes live or a sweep reads it from the disk.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drivenListening } from '../support/listening.js';
import { sweep } from '../support/sweeping.js';
import { until } from '../support/waiting.js';

const T = 1795400000;

/** @type {[string, string, Record<string, unknown>, Record<string, unknown> | undefined][]} */
const MESSAGES = [
  ['TYPED', 'own', { broadcast: false, isFromTemplate: false, bizBotType: null }, undefined],
  ['LIST', 'own', { broadcast: true, broadcastId: '17@broadcast' }, { broadcast: '17@broadcast' }],
  ['BOT', 'own', { bizBotType: 'biz_1p' }, { bot: 'biz_1p' }],
  ['TEMPLATE', 'own', { isFromTemplate: true, templateId: '991' }, { template: true }],
  ['PROVIDER', 'own', { author: '5491155550100:99@hosted' }, { api: true }],
  ['GREETING', 'own', { type: 'automated_greeting_message' }, { automated_greeting: true }],
  ['CAMPAIGN', 'own', { bizSource: 'smb_promo' }, { campaign: true }],
  ['THEIR_LIST', 'deliver', { broadcastId: '18@broadcast' }, { broadcast: '18@broadcast' }],
  ['BUSINESS', 'deliver', { verifiedBizName: 'Muebles SRL' }, { verified_name: 'Muebles SRL' }],
];

test('live and by sweep', async (context) => {
  const { standin, linked } = await drivenListening(context);
  const child = await linked();
  await standin.act('contact', { phone: '5491155550002', verifiedName: 'Muebles SRL', isBusiness: true });
  for (const [index, [id, action, fields]] of MESSAGES.entries()) {
    const other = id === 'BUSINESS' ? '5491155550002' : '5491155550001';
    const chat = action === 'own' ? { to: other } : { from: other };
    await standin.act(action, { id, body: 'hola', t: T + index, ...chat, fields });
  }
  const live = new Map();
  for (const [id] of MESSAGES) live.set(id, (await child.line((line) => line.id?.id === id)).marks);
  const { found } = await sweep(child);
  for (const [id, , , marks] of MESSAGES) {
    const swept = found.find((line) => line.id.id === id);
    assert.deepEqual([live.get(id), swept?.marks], [marks, marks], id);
  }
});

/** The list of each message in `lines`. @param {any[]} lines */
const lists = (lines) =>
  lines
    .filter((line) => line.id && line.type === 'message')
    .map((line) => [line.id.id, line.id.remote, line.marks?.broadcast])
    .sort();

test('copies of our list are marked in each chat', async (context) => {
  const { standin, linked } = await drivenListening(context);
  const child = await linked();
  const list = { to: '17@broadcast', recipients: ['5491155550001', '990000000002@lid'] };
  await standin.act('own', { id: 'LIST', body: 'Llegó mercadería', t: T, ...list });
  await standin.act('deliver', {
    id: 'THEIRS',
    from: '5491155550003',
    body: 'oferta',
    broadcastId: '18@broadcast',
  });
  await child.line((line) => line.id?.id === 'THEIRS');
  const expected = [
    ['LIST', '5491155550001@c.us', '17@broadcast'],
    ['LIST', '990000000002@lid', '17@broadcast'],
    ['THEIRS', '5491155550003@c.us', '18@broadcast'],
  ];
  assert.deepEqual(lists(child.lines), expected);
  assert.deepEqual(lists((await sweep(child)).found), expected);
});

test('a history marks copies of our list only, and does not name it', async (context) => {
  const { standin, start } = await drivenListening(context);
  const child = await start();
  await child.line('qr');
  const history = [
    {
      own: true,
      id: 'LIST',
      to: '5491155550001',
      body: 'Llegó',
      t: T,
      broadcast: true,
      broadcastId: '17@broadcast',
    },
    { id: 'THEIRS', from: '5491155550003', body: 'oferta', t: T, broadcastId: '18@broadcast' },
  ];
  await standin.act('scan', { phone: '5491155550100', name: 'Tienda', history });
  await child.line('ready');
  await until(async () => (await standin.state()).history_chunks === 0);
  assert.deepEqual(lists((await sweep(child)).found), [
    ['LIST', '5491155550001@c.us', true],
    ['THEIRS', '5491155550003@c.us', undefined],
  ]);
});
