// Which failures a navigation explains: those end nothing, since the next load of the page answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNavigation } from '../src/page-calls.js';

test('what a page broke by going on is no failure of ours, in the words of puppeteer and Chromium', () => {
  for (const words of [
    'Execution context was destroyed, most likely because of a navigation.',
    'Protocol error (Runtime.callFunctionOn): Cannot find context with specified id',
    "Attempted to use detached Frame 'F'.",
    'Could not load response body for this request. This might happen if the request is a preflight request.',
  ])
    assert.ok(isNavigation(new Error(words)), words);
});

test('a failure of another kind is one', () => {
  for (const words of ['x is not a function', 'net::ERR_NAME_NOT_RESOLVED', 'Protocol error: Target closed'])
    assert.equal(isNavigation(new Error(words)), false, words);
});
