import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutText, limitedJson, MAX_LINE_BYTES } from '../src/line-limit.js';
import { createWire, MAX_QUEUED_BYTES } from '../src/wire.js';

/** A reader that can pause. */
function reader() {
  /** @type {string[]} */
  const taken = [];
  /** @type {(() => void)[]} */
  let waiting = [];
  let reading = true;
  return {
    writes: () => taken.length,
    lines: () => taken.flatMap((chunk) => chunk.trimEnd().split('\n')).map((line) => JSON.parse(line)),
    pause() {
      reading = false;
    },
    resume() {
      reading = true;
      const listeners = waiting;
      waiting = [];
      for (const listener of listeners) listener();
    },
    write(/** @type {string} */ chunk) {
      taken.push(chunk);
      return reading;
    },
    once(/** @type {string} */ _event, /** @type {() => void} */ listener) {
      waiting.push(listener);
    },
    writableLength: 0,
  };
}

test('every line has the envelope, and numbers count from one', () => {
  const sink = reader();
  const wire = createWire(sink, () => 1795400000000);
  wire.send('hello', { pid: 1 });
  wire.send('authenticated');
  assert.deepEqual(sink.lines(), [
    { v: 1, type: 'hello', seq: 1, at: 1795400000000, pid: 1 },
    { v: 1, type: 'authenticated', seq: 2, at: 1795400000000 },
  ]);
});

test('a reader that pauses gets everything later, in order', async () => {
  const sink = reader();
  const wire = createWire(sink);
  sink.pause();
  for (let n = 1; n <= 100; n += 1) wire.send('state', { n });
  assert.equal(sink.lines().length, 1, 'after the first refusal nothing more is written to the pipe');
  assert.ok(wire.queuedBytes > 0);
  sink.resume();
  await wire.drained();
  assert.deepEqual(
    sink.lines().map((line) => line.n),
    Array.from({ length: 100 }, (_, index) => index + 1),
  );
  assert.equal(wire.queuedBytes, 0);
});

test('what is sent together is written at once, also when sending it fails half-way', async () => {
  const sink = reader();
  const wire = createWire(sink);
  wire.send('state', { n: 1 });
  wire.together(() => {
    for (let n = 2; n <= 50; n += 1) wire.send('state', { n });
    assert.equal(sink.writes(), 1);
  });
  assert.equal(sink.writes(), 2);
  assert.throws(() =>
    wire.together(() => {
      wire.send('state', { n: 51 });
      throw new Error('half-way');
    }),
  );
  wire.send('state', { n: 52 });
  await wire.drained();
  assert.deepEqual(
    sink.lines().map((line) => line.n),
    Array.from({ length: 52 }, (_, index) => index + 1),
  );
  assert.equal(wire.queuedBytes, 0);
});

test('a write takes no more than some lines, however many wait', async () => {
  const sink = reader();
  const wire = createWire(sink);
  sink.pause();
  for (let n = 1; n <= 100; n += 1) wire.send('state', { body: 'ñ'.repeat(10_000) });
  sink.resume();
  await wire.drained();
  assert.equal(sink.lines().length, 100);
  assert.ok(sink.writes() > 10, `${sink.writes()} writes`);
});

test('beyond the queue limit live messages are dropped, counted, and leave a sequence gap', async () => {
  const sink = reader();
  const wire = createWire(sink);
  sink.pause();
  const body = 'x'.repeat(100_000);
  const sent = 100;
  for (let n = 0; n < sent; n += 1) wire.send('message', { via: 'live', n, body });
  wire.send('message', { via: 'sweep', body });
  wire.send('heartbeat', { n: 1 });
  assert.ok(wire.queuedBytes <= MAX_QUEUED_BYTES + 200_000);
  const { dropped } = wire;
  assert.ok(dropped > 0 && dropped < sent);
  sink.resume();
  await wire.drained();
  const lines = sink.lines();
  assert.equal(lines.length, sent + 2 - dropped);
  assert.deepEqual(
    lines.slice(-2).map((line) => line.via ?? line.type),
    ['sweep', 'heartbeat'],
  );
  assert.equal(lines.at(-1).seq, sent + 2, 'dropped lines used up their numbers');
  assert.equal(wire.dropped, dropped);
});

test('a waiting sweep continues when the reader is gone', async () => {
  const sink = reader();
  const wire = createWire(sink);
  sink.pause();
  wire.send('state', { n: 1 });
  wire.send('state', { n: 2 });
  const drained = wire.drained();
  wire.abandon();
  await drained;
  wire.send('state', { n: 3 });
  assert.equal(sink.lines().length, 1);
});

test('a line that is too long loses the raw record first', () => {
  const json = limitedJson({ v: 1, body: 'short', data: { big: 'x'.repeat(2_000_000) } });
  assert.deepEqual(JSON.parse(json), { v: 1, body: 'short', data: null });
});

test('then the text is cut, never inside a character, and the line says so', () => {
  for (const character of ['a', 'ñ', '€', '👍', '\u0000', '"', '\ud800']) {
    const json = limitedJson({ v: 1, body: character.repeat(1_500_000), data: { x: 1 } });
    assert.ok(
      Buffer.byteLength(json) <= MAX_LINE_BYTES,
      `${JSON.stringify(character)}: ${Buffer.byteLength(json)}`,
    );
    assert.ok(Buffer.byteLength(json) > MAX_LINE_BYTES - 20, 'no more is cut than necessary');
    const line = JSON.parse(json);
    assert.equal(line.truncated, true);
    assert.equal(line.data, null);
    assert.equal(line.body, character.repeat(line.body.length / character.length));
  }
});

test('then every long value is cut', () => {
  const huge = 'x'.repeat(1_000_000);
  const json = limitedJson({
    v: 1,
    type: 'message',
    body: huge,
    contact_cards: [huge, huge],
    quoted: { id: 'A', body: huge },
  });
  assert.ok(Buffer.byteLength(json) <= MAX_LINE_BYTES);
  const line = JSON.parse(json);
  assert.equal(line.truncated, true);
  assert.equal(line.quoted.id, 'A');
});

test('a text that fits is not cut', () => {
  assert.equal(cutText('Hola 👍', 100), 'Hola 👍');
  assert.equal(cutText('👍', 3), '');
  assert.equal(cutText('a👍', 5), 'a👍');
  assert.equal(cutText('a👍', 4), 'a');
});
