import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import puppeteer from 'puppeteer';
import { launchOptions } from '../src/browser.js';
import { FLAGS, NOT_TAKEN, OF_PUPPETEER } from '../src/flags.js';
import { DOCUMENT, withTables } from './support/draw-flags.js';

/** What a browser is started with, by puppeteer and us. @param {Record<string, unknown>} [changes] */
function argumentsFor(changes) {
  const options = { profile: '/p', browser: '/b', headless: true, no_sandbox: false, instance: 'lm-1' };
  const given = { ...options, browser_args: ['--mine'], timing: {}, ...changes };
  return puppeteer.defaultArgs(/** @type {any} */ (launchOptions(/** @type {any} */ (given), null)));
}

test('the tables of docs/browser.md are those of flags.js (node test/support/draw-flags.js writes them)', () => {
  const text = readFileSync(DOCUMENT, 'utf8');
  assert.equal(text, withTables(text));
});

test('the browser gets every argument of the table, and those of puppeteer that capture relies on', () => {
  const given = argumentsFor();
  for (const { flag } of [...FLAGS, ...OF_PUPPETEER]) {
    const [name, values] = flag.split('=');
    if (!name.endsWith('-features')) assert.ok(given.includes(flag), flag);
    else {
      const merged = given.filter((each) => each.startsWith(`${name}=`));
      assert.equal(merged.length, 1, 'of several only the last would count');
      for (const feature of values.split(',')) assert.ok(merged[0].split(/[=,]/).includes(feature), feature);
    }
  }
  assert.equal(given.at(-1), '--mine', 'those of the settings come last');
});

test('none that was not taken is given, and the sandbox stays on', () => {
  const given = argumentsFor();
  for (const { flag } of NOT_TAKEN) assert.ok(!given.includes(flag), flag);
  assert.ok(!given.some((each) => each.includes('sandbox')));
  assert.ok(argumentsFor({ no_sandbox: true }).includes('--no-sandbox'));
});

test('in a window nothing is left out that a person sees', () => {
  const given = argumentsFor({ headless: false });
  for (const { flag, blind } of FLAGS) {
    if (blind) assert.ok(!given.includes(flag), flag);
  }
  assert.ok(given.includes('--disable-gpu'));
});
