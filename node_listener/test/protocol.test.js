// docs/protocol.md, the transcripts and the builders agree.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseCommand } from '../src/commands.js';
import { MAX_LINE_BYTES } from '../src/line-limit.js';
import { ciphertextFields, editFields, messageFields, revokeFields } from '../src/message/message-line.js';
import { numberChangeFields } from '../src/message/number-change.js';
import { readOptions } from '../src/options.js';
import { EDITED, MESSAGES, OPTIONAL } from './support/raw-examples.js';

const DOC = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const FOLDER = new URL('../../tests/transcripts/', import.meta.url);

/** @param {string} name */
const transcript = (name) => readFileSync(new URL(name, FOLDER), 'utf8').trim().split('\n');
const examples = [...DOC.matchAll(/^ {4}(\{.*\})$/gm)].map(([, line]) => line);
const wireExamples = examples.filter((line) => line.startsWith('{"v":'));

/** @param {string} type */
const example = (type) => {
  const found = wireExamples.map((line) => JSON.parse(line)).find((line) => line.type === type);
  assert.ok(found, `docs/protocol.md has no example of ${type}`);
  return found;
};
const RAW = { id: { fromMe: false, remote: '1@c.us', id: 'A' }, t: 1, type: 'chat', body: 'x' };

test('every example line of the document is in the transcript, in order', () => {
  assert.deepEqual(transcript('protocol.jsonl'), wireExamples);
  assert.deepEqual(
    transcript('commands.jsonl'),
    examples.filter((line) => !wireExamples.includes(line)),
  );
});

test('every command of the document is understood', () => {
  for (const line of transcript('commands.jsonl')) assert.ok('command' in parseCommand(line), line);
});

test('the builders make exactly the documented fields', () => {
  const made = {
    message: messageFields(RAW, 'live'),
    ciphertext: ciphertextFields(RAW, 'live'),
    message_edit: editFields(RAW),
    message_revoke: revokeFields(RAW, 'everyone'),
    number_change: numberChangeFields({ ...RAW, templateParams: ['1@c.us', '2@c.us'] }, 'live'),
  };
  for (const [type, fields] of Object.entries(made)) {
    const { v, seq, at, type: _, ...documented } = example(type);
    assert.deepEqual(Object.keys(fields ?? {}), Object.keys(documented), type);
  }
});

test('of fields that few lines have the document shows what the builders make', () => {
  const made = [
    ...MESSAGES.map((raw) => ({ type: 'message', ...messageFields(raw, 'live'), data: null })),
    { type: 'message_edit', ...editFields(EDITED) },
  ];
  const shown = wireExamples.map((line) => JSON.parse(line)).slice(-made.length);
  const bare = shown.map(({ v, seq, at, ...fields }) => fields);
  assert.deepEqual(bare, made);
  for (const [index, line] of shown.entries()) {
    const order = Object.keys(made[index]).filter((name) => name !== 'type');
    assert.deepEqual(Object.keys(line), ['v', 'type', 'seq', 'at', ...order]);
  }
  const optional = shown.flatMap((line) => Object.keys(line)).filter((name) => OPTIONAL.has(name));
  assert.deepEqual(new Set(optional), OPTIONAL, 'each has an example');
});

test('every field of the example message is described in the document', () => {
  for (const field of Object.keys(example('message'))) {
    assert.match(DOC, new RegExp(`\\b${field}\\b`), field);
  }
});

test('every option and every timing is described in the document', () => {
  const options = readOptions('{"profile":"/p","browser":"/b"}');
  for (const name of [...Object.keys(options), ...Object.keys(options.timing)])
    assert.ok(DOC.includes(`\`${name}\``), name);
});

test('transcripts are valid: envelope, rising numbers, known types, line limit', () => {
  const types = new Set(wireExamples.map((line) => JSON.parse(line).type));
  for (const name of readdirSync(FOLDER).filter(
    (each) => each.endsWith('.jsonl') && each !== 'commands.jsonl',
  )) {
    let last = 0;
    for (const text of transcript(name)) {
      assert.ok(Buffer.byteLength(text) <= MAX_LINE_BYTES);
      const line = JSON.parse(text);
      assert.equal(line.v, 1);
      assert.ok(types.has(line.type), `${name}: ${line.type}`);
      assert.ok(Number.isInteger(line.seq) && line.seq > last, `${name}: ${line.seq} after ${last}`);
      assert.equal(typeof line.at, 'number');
      const usual = Object.keys(example(line.type));
      const fields = Object.keys(line).filter((field) => field !== 'truncated');
      const others = fields.filter((field) => !usual.includes(field));
      assert.deepEqual(
        fields.filter((field) => usual.includes(field)),
        usual,
        `${name}: ${line.seq}`,
      );
      assert.deepEqual(
        others.filter((field) => !OPTIONAL.has(field)),
        [],
        `${name}: ${line.seq}`,
      );
      last = line.seq;
    }
  }
});
