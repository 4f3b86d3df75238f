import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { withTable } from '../standin/draw-ways.js';
import { completeOptions } from '../standin/options.js';
import { startStandin } from '../standin/server.js';
import { checkWay, completeWays, DEFAULT_SIDE, parseWays, WAYS } from '../standin/ways.js';

const README = new URL('../standin/README.md', import.meta.url);

test("the README's table of ways is the one in ways.js (node standin/draw-ways.js writes it)", () => {
  const readme = readFileSync(README, 'utf8');
  assert.equal(readme, withTable(readme));
});

test('every way has two different sides, and says on what evidence', () => {
  for (const [name, way] of Object.entries(WAYS)) {
    assert.notEqual(way.page, way.old, name);
    assert.match(way.evidence, /WAWeb|wa-js#/, name);
    assert.match(way.since, /^\d{4}-\d{2}-\d{2}$/, name);
  }
});

test('one side is completed by single ways, and the default side by none', () => {
  const page = completeWays({ side: 'page', sync_ms: 60_000 });
  assert.equal(page.sync_ms, 60_000);
  assert.equal(page.resume, 'by_count');
  assert.equal(completeWays('old').resume, 'blocking');
  assert.deepEqual(completeWays(), completeWays(DEFAULT_SIDE));
  assert.deepEqual(completeOptions({ ways: 'page' }).ways, completeWays('page'));
});

test('an unknown way, value or side is refused by name', () => {
  assert.throws(() => checkWay('colour', 'red'), /cannot set the way colour; known: resume, /);
  assert.throws(
    () => checkWay('resume', 'fast'),
    /way resume to "fast"; known: "by_count", "blocking", "nonblocking"/,
  );
  assert.throws(() => checkWay('sync_ms', -1), /known: 1500, 0, a number/);
  assert.throws(() => completeWays(/** @type {any} */ ('new')), /must be "page" or "old"/);
});

test('the command line names a way and a JSON value or a text', () => {
  assert.deepEqual(parseWays(['resume=nonblocking', 'sync_ms=0', 'reconnect_limit=null', 'focus=false']), {
    resume: 'nonblocking',
    sync_ms: 0,
    reconnect_limit: null,
    focus: false,
  });
  assert.throws(() => parseWays(['resume']), /must be NAME=VALUE/);
});

test('several ways are set at once, or none if one is refused', async () => {
  const standin = await startStandin({ ways: 'old' });
  try {
    await standin.act('ways', { resume: 'nonblocking', sync_ms: 7 });
    const { resume, sync_ms, modules } = standin.state().ways;
    assert.deepEqual([resume, sync_ms, modules], ['nonblocking', 7, 'at_once']);
    await assert.rejects(
      standin.act('ways', { resume: 'blocking', colour: 'red' }),
      /cannot set the way colour/,
    );
    assert.equal(standin.state().ways.resume, 'nonblocking');
  } finally {
    await standin.close();
  }
});
