// Faults of reading back, and of listeners.

import { widText } from '../stanza.js';

/** @typedef {import('./stage.js').Action} Action */

/**
 * @param {string} name
 * @returns {Action} takes `on`, and `chat` if the fault is to hold for one chat only
 */
const readFault =
  (name) =>
  async (stage, { on = true, chat }) => {
    const { readFaults } = stage.pages;
    const id = chat === undefined ? 'all' : widText(chat, 'chat');
    const others = readFaults[name].filter((each) => each !== id && chat !== undefined);
    readFaults[name] = on ? [...others, id] : others;
    return {
      done: await stage.pages.command('read_fault', { name, chats: readFaults[name] }, { kept: false }),
    };
  };

/** @type {Record<string, Action>} */
export const READING = {
  load_fails: readFault('load_fails'),
  load_404: readFault('load_404'),
  find_fails: readFault('find_fails'),
  no_end: readFault('no_end'),
  async throwing_listener(stage, { on = true, first = true }) {
    return { done: await stage.pages.command('throwing_listener', { on, first }) };
  },
};
