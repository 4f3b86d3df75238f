import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHosted } from '../src/message/ids.js';
import { marksOf } from '../src/message/marks.js';
import { CONTACT, ciphertextFields, messageFields } from '../src/message/message-line.js';

const ANA = '5491155550001@c.us';
const SHOP = '5491155550100';

/**
 * @param {Record<string, unknown>} more
 * @param {boolean} [fromMe]
 */
const record = (more, fromMe = true) => ({
  id: { fromMe, remote: ANA, id: '3EB0A1' },
  t: 1795400219,
  type: 'chat',
  body: 'hola',
  ...more,
});

/** @type {[string, Record<string, unknown>, Record<string, unknown>][]} */
const OURS = [
  ['a copy of our list', { broadcast: true, broadcastId: '17@broadcast' }, { broadcast: '17@broadcast' }],
  ['a copy from the history', { broadcast: true }, { broadcast: true }],
  [
    'the list as an object',
    { broadcastId: { user: '17', server: 'broadcast' } },
    { broadcast: '17@broadcast' },
  ],
  ['a paid campaign', { bizSource: 'smb_promo', pmCampaignId: 'C1' }, { campaign: 'C1' }],
  ['a campaign without its number', { bizSource: 'smb_promo' }, { campaign: true }],
  ['a campaign of the app', { smbClientCampaignId: 'C2' }, { campaign: 'C2' }],
  ['a business AI', { bizBotType: 'biz_1p' }, { bot: 'biz_1p' }],
  ['a template', { isFromTemplate: true }, { template: true }],
  ['a template by its type', { type: 'hsm' }, { template: true }],
  ['a template by its number', { templateId: '991' }, { template: true }],
  ['a template by its tag', { hsmTag: 'MARKETING' }, { template: true }],
  ['an order made by hand', { nativeFlowName: 'order_details' }, { native_flow: 'order_details' }],
  ['a provider', { author: `${SHOP}:99@hosted` }, { api: true }],
  ['a provider, as an object', { author: { user: SHOP, server: 'c.us', device: 99 } }, { api: true }],
  ['a provider, as the page tells', { leadmasterd_hosted: true }, { api: true }],
  ['the greeting of an ad', { type: 'automated_greeting_message' }, { automated_greeting: true }],
  ['to a business at a provider', { senderOrRecipientAccountTypeHosted: true }, { hosted: true }],
];

for (const [name, more, marks] of OURS) {
  test(`our message by ${name} is marked so`, () => assert.deepEqual(marksOf(record(more), null), marks));
}

test('what somebody typed shows no mark, whatever keys its record has', () => {
  for (const value of [false, null, undefined, '']) {
    const keys = ['broadcast', 'broadcastId', 'bizSource', 'pmCampaignId', 'bizBotType', 'isFromTemplate'];
    const more = [...keys, 'templateId', 'hsmTag', 'nativeFlowName', 'isSupportAIMessage', 'verifiedBizName'];
    const raw = record(Object.fromEntries(more.map((key) => [key, value])));
    assert.equal(marksOf(raw, null), null);
    assert.ok(!('marks' in (messageFields(raw, 'live') ?? {})));
  }
  const mention = record({ invokedBotWid: '867051314767696@bot', author: `${SHOP}:12@c.us` });
  assert.equal(marksOf(mention, null), null, 'to mention a bot is to type, and so is another device of ours');
  assert.equal(marksOf(record({ bizSource: 'in_app_signup' }), null), null);
});

test('somebody else may have sent to many, by a template, or from a provider', () => {
  assert.deepEqual(marksOf(record({ broadcastId: '18@broadcast' }, false), null), {
    broadcast: '18@broadcast',
  });
  assert.deepEqual(marksOf(record({ isFromTemplate: true }, false), null), { template: true });
  const hosted = { id: { fromMe: false, remote: '5491155550001:99@hosted', id: 'A' }, author: undefined };
  assert.deepEqual(marksOf(record(hosted), null), { hosted: true });
});

test('a bot that was asked within a chat is known by the participant of its key', () => {
  for (const participant of ['867051314767696@bot', '13135550002@c.us']) {
    const id = { fromMe: false, remote: ANA, id: 'A', participant };
    assert.deepEqual(marksOf(record({ id }), null), { assistant: true });
  }
  assert.deepEqual(marksOf(record({ isSupportAIMessage: true }, false), null), { assistant: true });
});

test("a business has the name of its record, or the address book's, and our own name is not the customer's", () => {
  const book = { verified_name: 'Muebles SRL' };
  assert.deepEqual(marksOf(record({ verifiedBizName: 'Otra SA' }, false), book), {
    verified_name: 'Otra SA',
  });
  assert.deepEqual(marksOf(record({}, false), book), { verified_name: 'Muebles SRL' });
  assert.equal(marksOf(record({ verifiedBizName: 'Tienda' }), book), null);
});

test('the line carries the marks, of what cannot be read too', () => {
  const raw = record({ broadcast: true, leadmasterd_hosted: true, [CONTACT]: { verified_name: 'X' } });
  const line = /** @type {Record<string, any>} */ (messageFields(raw, 'sweep'));
  assert.deepEqual(line.marks, { broadcast: true, api: true });
  assert.ok(!('leadmasterd_hosted' in line.data));
  assert.deepEqual(ciphertextFields({ ...raw, type: 'ciphertext' }, 'live')?.marks, line.marks);
});

test('a hosted id is known by its server or its device', () => {
  for (const wid of [
    '1@hosted',
    '1:99@hosted',
    '9@hosted.lid',
    '1:99@c.us',
    { user: '1', server: 'lid', device: 99 },
  ])
    assert.equal(isHosted(wid), true, JSON.stringify(wid));
  for (const wid of [
    '1@c.us',
    '1:9@c.us',
    '99@lid',
    '991@c.us',
    { user: '99', server: 'c.us', device: 9 },
    null,
    99,
  ])
    assert.equal(isHosted(wid), false, JSON.stringify(wid));
});
