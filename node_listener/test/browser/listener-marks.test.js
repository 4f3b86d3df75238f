// The marks of a message are the same whether it comes live or a sweep reads it from the disk.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drivenListening } from '../support/listening.js';
import { sweep } from '../support/sweeping.js';

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
