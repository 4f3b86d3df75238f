import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import { test } from 'node:test';
import { parseCommand, readLines } from '../src/commands.js';

/** @param {string} line */
const refusal = (line) => {
  const parsed = parseCommand(line);
  assert.ok('error' in parsed, line);
  return parsed.error;
};

test('the commands are understood', () => {
  const sweep = { type: 'sweep', sweep: 1, from: 5, chats: { '1@c.us': 7 }, ignore: ['2@c.us'] };
  assert.deepEqual(parseCommand(JSON.stringify(sweep)), { command: sweep });
  assert.deepEqual(parseCommand('{"type":"sweep","sweep":2,"from":0}'), {
    command: { type: 'sweep', sweep: 2, from: 0, chats: {}, ignore: [] },
  });
  assert.deepEqual(parseCommand(JSON.stringify({ ...sweep, changes_from: 3 })), {
    command: { ...sweep, changes_from: 3 },
  });
  assert.deepEqual(parseCommand('{"type":"pairing_code","phone":"5491155550100"}'), {
    command: { type: 'pairing_code', phone: '5491155550100' },
  });
  assert.deepEqual(parseCommand('{"type":"check_page","check":3}'), {
    command: { type: 'check_page', check: 3 },
  });
  assert.deepEqual(parseCommand('{"type":"stop"}'), { command: { type: 'stop' } });
});

test('a command that would send is unknown', () => {
  assert.deepEqual(refusal('{"type":"send","to":"1@c.us","body":"x"}'), {
    command: 'send',
    message: 'unknown command "send"; known: sweep, pairing_code, check_page, stop',
  });
});

test('malformed commands are refused with what is wrong', () => {
  for (const line of ['', 'x', '[]', '"stop"', 'null', '7', '{"type":7}', '{}'])
    assert.ok(refusal(line).message, line);
  assert.match(refusal('{"type":"sweep","from":1}').message, /"sweep"/);
  assert.match(refusal('{"type":"sweep","sweep":1}').message, /"from"/);
  assert.match(refusal('{"type":"sweep","sweep":1,"from":1,"chats":{"1@c.us":"x"}}').message, /"chats"/);
  assert.match(refusal('{"type":"sweep","sweep":1,"from":1,"ignore":[1]}').message, /"ignore"/);
  assert.match(refusal('{"type":"check_page"}').message, /"check"/);
  assert.match(refusal('{"type":"sweep","sweep":1,"from":1,"changes_from":"x"}').message, /"changes_from"/);
  assert.match(refusal('{"type":"pairing_code","phone":"+54 9"}').message, /"phone"/);
});

test('lines are assembled from chunks, and the end of the stream is reported', async () => {
  const stream = new PassThrough();
  /** @type {string[]} */
  const lines = [];
  let ended = 0;
  readLines(stream, { line: (line) => lines.push(line), tooLong: assert.fail, end: () => (ended += 1) });
  stream.write('{"a"');
  stream.write(':1}\n\n{"b":2}\n{"half');
  stream.end();
  await finished(stream);
  assert.deepEqual(lines, ['{"a":1}', '{"b":2}']);
  assert.ok(ended > 0);
});
