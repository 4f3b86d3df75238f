import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startStandin } from '../standin/server.js';

test('a state that no page has taken gives way to the next one', async () => {
  const standin = await startStandin({});
  try {
    for (const state of ['TOS_BLOCK', 'CONNECTED']) await standin.act('state', { state });
    assert.deepEqual(standin.state().pending_commands, [{ n: 2, name: 'state' }]);
  } finally {
    await standin.close();
  }
});
