// The count of all writes at the end of a test run can fail.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startStandin } from '../standin/server.js';

const COUNTER = fileURLToPath(new URL('support/count-writes.js', import.meta.url));
const NAMED = ['presence', 'WAWebPresenceChatAction', 'sendPresenceUnavailable'];
const OTHER = ['sent', 'WAWebSendMsgChatAction', 'addAndSendMsgToChat'];

/**
 * What a page reports when one of its functions has been called.
 * @param {number} port
 * @param {string[]} call kind, module, function
 */
function report(port, [kind, module, name]) {
  const body = JSON.stringify({ kind, page: 'p', token: null, module, function: name });
  return new Promise((resolve, reject) => {
    const where = { host: '127.0.0.1', port, path: '/standin/report', rejectUnauthorized: false };
    request({ ...where, method: 'POST' }, (response) => response.resume().on('end', resolve))
      .on('error', reject)
      .end(body);
  });
}

/**
 * @param {import('node:test').TestContext} context
 * @param {{by: 'listener' | 'apart', calls: string[][]}[]} runs
 */
async function count(context, runs) {
  const folder = mkdtempSync(join(tmpdir(), 'lm-writes-'));
  const file = join(folder, 'writes');
  writeFileSync(file, '');
  const before = process.env.STANDIN_WRITES;
  process.env.STANDIN_WRITES = file;
  context.after(() => {
    if (before === undefined) delete process.env.STANDIN_WRITES;
    else process.env.STANDIN_WRITES = before;
    rmSync(folder, { recursive: true });
  });
  for (const { by, calls } of runs) {
    const standin = await startStandin({ apart: by === 'apart' });
    for (const call of calls) await report(standin.pagePort, call);
    await standin.close();
  }
  assert.notEqual(readFileSync(file, 'utf8'), '');
  const { status, stdout } = spawnSync(process.execPath, [COUNTER, file], { encoding: 'utf8' });
  return { status, stdout };
}

test('the named write passes, and so does what a test makes send', async (context) => {
  const counted = await count(context, [
    { by: 'listener', calls: [NAMED, NAMED, ['presence', 'page', 'connect']] },
    { by: 'apart', calls: [OTHER, ['presence', 'WAWebStreamModel', 'Stream.markAvailable'], OTHER] },
  ]);
  assert.equal(counted.status, 0, counted.stdout);
  assert.match(
    counted.stdout,
    /the library or us: 0 \(the named one: 2; .* apart: 3; by the page itself: 1\)/,
  );
});

for (const call of [
  OTHER,
  ['presence', 'WAWebPresenceChatAction', 'sendPresenceAvailable'],
  ['presence', 'WAWebStreamModel', 'Stream.markAvailable'],
]) {
  test(`one call of ${call[2]} fails the run, and is named`, async (context) => {
    const counted = await count(context, [
      { by: 'listener', calls: [NAMED, call] },
      { by: 'apart', calls: [OTHER] },
    ]);
    assert.equal(counted.status, 1);
    assert.match(counted.stdout, /the library or us: 1 /);
    assert.ok(counted.stdout.includes(`${call[1]}.${call[2]} reached a stand-in`), counted.stdout);
  });
}

test('a run of which nothing was counted fails', async (context) => {
  const counted = await count(context, [{ by: 'listener', calls: [NAMED] }]);
  assert.equal(counted.status, 1);
  assert.match(counted.stdout, /the library or us: 0 .*\n-- the count proves nothing/);
});
