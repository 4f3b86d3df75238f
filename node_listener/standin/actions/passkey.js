// Passkeys: the step at linking, and the later check of a linked account.

import { BadRequest } from '../stanza.js';
import { finishLinking } from './linking.js';

/** @typedef {import('./stage.js').Action} Action */

/** Each step with those that it may follow. */
const AFTER = /** @type {Record<string, string[]>} */ ({
  prompt: ['prompt', 'pressed', 'error'],
  continue: ['prompt', 'pressed', 'error'],
  code: ['continue'],
  done: ['code'],
  error: ['prompt', 'pressed', 'continue', 'code'],
});
const STORAGE_DIALOGS = ['storage_not_enough_space', 'cache_storage_open_failed'];

/** @type {Record<string, Action>} by name; README.md says what each does and what its body holds */
export const PASSKEY = {
  async passkey(stage, { step, code = 'AB12CD34', reason = 'server_error' }) {
    const { ceremony } = stage.pairing;
    if (!ceremony)
      throw new BadRequest(
        'cannot take a passkey step: no page is at one. `scan` with `passkey` begins it; it ends with the page’s stream',
      );
    if (!AFTER[step])
      throw new BadRequest(`cannot take the passkey step ${step}; known: ${Object.keys(AFTER).join(', ')}`);
    if (!AFTER[step].includes(ceremony.step))
      throw new BadRequest(`cannot take the passkey step ${step} after ${ceremony.step}`);
    if (step === 'done') {
      await stage.pages.command('passkey', { step: 'confirm' }, { kept: false });
      return finishLinking(stage, ceremony.body);
    }
    ceremony.step = step;
    return { done: await stage.pages.command('passkey', { step, code, reason }, { kept: false }) };
  },
  async check_passkey(stage, { on = true }) {
    const shown = { text: 'Quick security check with Passkey', clicked: null };
    const number = on ? stage.pages.dialogs.push(shown) - 1 : null;
    return { done: await stage.pages.command('check_passkey', { on, number }) };
  },
  async storage_dialog(stage, { name = STORAGE_DIALOGS[0] }) {
    if (!STORAGE_DIALOGS.includes(name))
      throw new BadRequest(`cannot show the dialog ${name}; known: ${STORAGE_DIALOGS.join(', ')}`);
    const number = stage.pages.dialogs.push({ text: name, clicked: null }) - 1;
    return { done: await stage.pages.command('storage_dialog', { name, number }) };
  },
};
