import assert from 'node:assert/strict';
import { test } from 'node:test';
import { userAgentFor } from '../src/browser.js';
import { BadOptions, readOptions } from '../src/options.js';

const GOOD = { profile: '/var/lib/x/profile', browser: '/usr/bin/chromium' };

test('a missing option has its default', () => {
  assert.deepEqual(readOptions(JSON.stringify({ ...GOOD, timing: { heartbeat: 100 } })), {
    ...GOOD,
    browser_args: [],
    user_agent: null,
    pairing_phone: null,
    presence_unavailable: true,
    groups: false,
    no_sandbox: false,
    headless: true,
    instance: 'default',
    timing: { heartbeat: 100, authentication: 120_000, protocol: 60_000, evaluate: 10_000, late: 300_000 },
  });
});

test('wrong options are named, with what they must be', () => {
  const wrong = /** @type {[Record<string, unknown>, RegExp][]} */ ([
    [{ profile: 'relative' }, /"profile" is "relative".*absolute path/],
    [{ browser: undefined }, /"browser" is undefined.*absolute path/],
    [{ browser_args: 'x' }, /"browser_args".*list of text/],
    [{ pairing_phone: '+54' }, /"pairing_phone".*digits/],
    [{ groups: 'yes' }, /"groups".*true or false/],
    [{ headless: 0 }, /"headless".*true or false/],
    [{ instance: 'a b' }, /"instance".*letters/],
    [{ timing: { heartbeat: 0 } }, /"timing.heartbeat" is 0.*above 0/],
    [{ timing: { heart: 1 } }, /"timing.heart".*unknown/],
    [{ color: 'red' }, /"color".*unknown/],
  ]);
  for (const [change, message] of wrong) {
    assert.throws(() => readOptions(JSON.stringify({ ...GOOD, ...change })), { message });
  }
  assert.throws(() => readOptions(undefined), BadOptions);
  assert.throws(() => readOptions('[]'), BadOptions);
  assert.throws(() => readOptions('{'), BadOptions);
});

test('the user agent matches the browser and does not say headless', () => {
  const agent = userAgentFor('Chromium 156.0.8078.79');
  assert.match(agent ?? '', / Chrome\/156\.0\.0\.0 Safari/);
  assert.doesNotMatch(agent ?? '', /Headless/);
  assert.equal(userAgentFor(null), null);
});
