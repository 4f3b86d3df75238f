// The actions that a test or the demo can trigger, by name. README.md has the table.

import { FAULTS } from './actions/faults.js';
import { LINKING } from './actions/linking.js';
import { MESSAGES } from './actions/messages.js';
import { PASSKEY } from './actions/passkey.js';
import { READING } from './actions/reading.js';
import { DEFAULT_WAIT, isConnected } from './actions/stage.js';
import { BadRequest } from './stanza.js';

/** @type {Record<string, import('./actions/stage.js').Action>} */
export const ACTIONS = {
  ...LINKING,
  ...MESSAGES,
  ...FAULTS,
  ...READING,
  ...PASSKEY,
  async wait(stage, { for: what, limit = DEFAULT_WAIT, loads = 1 }) {
    const tests = /** @type {Record<string, () => boolean>} */ ({
      qr: () => stage.pairing.page !== null,
      code: () => stage.pairing.code !== null,
      connected: () => isConnected(stage),
      disconnected: () => !isConnected(stage),
      synced: () => isConnected(stage) && stage.pages.page.synced,
      drained: () => stage.phone.device?.queue.length === 0,
      loads: () => stage.pages.loads >= loads,
    });
    if (!tests[what])
      throw new BadRequest(`cannot wait for ${what}; known: ${Object.keys(tests).join(', ')}`);
    if (!(await stage.until(tests[what], limit)))
      throw new BadRequest(`waited ${limit} ms in vain for ${what}`);
    return {};
  },
};
