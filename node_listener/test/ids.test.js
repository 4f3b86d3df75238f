import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageId, widText } from '../src/message/ids.js';
import { chatKind, isSystemType, isWanted } from '../src/message/kinds.js';

test('a chat id is the same text whatever form a build gives it', () => {
  const forms = [
    '5491155550001@c.us',
    { user: '5491155550001', server: 'c.us', _serialized: '5491155550001@c.us' },
    { user: '5491155550001', server: 'c.us', $1: '5491155550001@c.us' },
    { user: '5491155550001', server: 'c.us' },
    { _serialized: '5491155550001@c.us' },
    { $1: '5491155550001@c.us' },
    '5491155550001@s.whatsapp.net',
    '5491155550001:12@c.us',
    '5491155550001.0:3@c.us',
    { user: '5491155550001', server: 'c.us', device: 3, _serialized: 'something else' },
  ];
  for (const form of forms) assert.equal(widText(form), '5491155550001@c.us', JSON.stringify(form));
});

test('anything that is no chat id is null', () => {
  for (const form of [
    null,
    undefined,
    '',
    'nobody',
    '@c.us',
    'x@',
    7,
    {},
    { user: 'x' },
    { server: 'c.us' },
  ]) {
    assert.equal(widText(form), null, JSON.stringify(form));
  }
});

test('a message key is built from its parts, with and without its serialized form', () => {
  const parts = { fromMe: false, remote: { user: '120363000000000001', server: 'g.us' }, id: '3EB0A1' };
  const participant = { user: '99', server: 'lid' };
  const expected = { fromMe: false, remote: '120363000000000001@g.us', id: '3EB0A1', participant: '99@lid' };
  assert.deepEqual(messageId({ ...parts, participant }), expected);
  assert.deepEqual(messageId({ ...parts, participant, $1: 'nonsense' }), expected);
  assert.deepEqual(messageId({ ...parts, participant, _serialized: 'nonsense' }), expected);
  assert.deepEqual(messageId({ $1: 'false_120363000000000001@g.us_3EB0A1_99@lid' }), expected);
  assert.deepEqual(messageId('false_120363000000000001@g.us_3EB0A1_99@lid'), expected);
});

test('a form that no name gives is told by toString, whose name does not change', () => {
  const key = { $7: 'x', toString: () => 'false_120363000000000001@g.us_3EB0A1_99@lid' };
  assert.deepEqual(messageId(key)?.participant, '99@lid');
  assert.equal(widText({ $7: 'x', toString: () => '5491155550001@c.us' }), '5491155550001@c.us');
  assert.equal(
    widText({ $1: '5491155550001@c.us', toString: () => '5491155550002@c.us' }),
    '5491155550002@c.us',
  );
  const throws = { $1: '5491155550001@c.us', toString: () => assert.fail() };
  assert.equal(widText(throws), '5491155550001@c.us');
});

test('a key of the chat with oneself names its direction before the participant', () => {
  const me = '5491155550100@c.us';
  assert.deepEqual(messageId(`true_${me}_3EB0A1_out`), {
    fromMe: true,
    remote: me,
    id: '3EB0A1',
    participant: null,
  });
  assert.equal(messageId(`true_${me}_3EB0A1_out_99@lid`)?.participant, '99@lid');
});

test('a key without a chat or without an id is no key', () => {
  for (const key of [
    null,
    undefined,
    5,
    {},
    { id: 'x' },
    { remote: '1@c.us' },
    { remote: '1@c.us', id: '' },
    'true_1@c.us',
  ]) {
    assert.equal(messageId(key), null, JSON.stringify(key));
  }
});

test('status, broadcast lists and channels are dropped, groups are wanted only when configured', () => {
  assert.equal(chatKind('5491155550001@c.us'), 'direct');
  assert.equal(chatKind('99@lid'), 'direct');
  assert.equal(chatKind('1203@g.us'), 'group');
  for (const chat of ['status@broadcast', '17@broadcast', '1203@newsletter', null])
    assert.equal(chatKind(chat), 'dropped');
  assert.equal(isWanted({ remote: '1203@g.us' }, 'chat', false), false);
  assert.equal(isWanted({ remote: '1203@g.us' }, 'chat', true), true);
});

test('system messages are not for the wire; a call in the history is', () => {
  for (const type of [
    'e2e_notification',
    'notification_template',
    'gp2',
    'protocol',
    'ciphertext_placeholder',
    'pinned_message',
    'message_edit_encrypted',
    'poll_add_option_decrypted',
    'group-history',
    'biz_content_placeholder',
    undefined,
    '',
  ]) {
    assert.equal(isSystemType(type), true, String(type));
  }
  for (const type of ['chat', 'image', 'call_log', 'ciphertext', 'revoked', 'unknown', 'order']) {
    assert.equal(isSystemType(type), false, type);
  }
});
