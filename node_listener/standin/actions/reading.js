// Faults of reading back, and of listeners.

import { widText } from '../stanza.js';

/** @typedef {import('./stage.js').Action} Action */

/**
 * An action that switches a fault of reading on or off, for one chat or for all.
 * @param {string} name
 * @returns {Action} takes `on`, and `chat` if the fault is to hold for one chat only
 */
const readFault =
  (name) =>
  async (stage, { on = true, chat }) => {
    const { readFaults } = stage.pages;
    const id = chat === undefined ? 'all' : widText(chat, 'chat');
    // switched for all, it is switched for each
    const others = chat === undefined ? [] : readFaults[name].filter((each) => each !== id);
    readFaults[name] = on ? [...others, id] : others;
    return {
      done: await stage.pages.command('read_fault', { name, chats: readFaults[name] }, { kept: false }),
    };
  };

/** @type {Record<string, Action>} by name; README.md says what each does and what its body holds */
export const READING = {
  load_fails: readFault('load_fails'),
  load_404: readFault('load_404'),
  find_fails: readFault('find_fails'),
  no_end: readFault('no_end'),
  async throwing_listener(stage, { on = true, first = true }) {
    return { done: await stage.pages.command('throwing_listener', { on, first }) };
  },
};
