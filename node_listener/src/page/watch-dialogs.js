// @ts-nocheck: the page's modules have no types
// Runs in the page: acknowledges the dialogs that only want that. Nobody looks at this page, and of a linked device that
// leaves "What's new" open the phone is rid after some five minutes (wwebjs#3550, OpenWA#982, #998).
// Sent as source text together with dialogs.js (see install.js).

import { buttonToClick } from '../dialogs.js';

export function watchDialogs(config) {
  const page = globalThis;
  const agent = page[config.namespace];
  if (page.top !== page || !agent || agent.watchesDialogs) return;
  agent.watchesDialogs = true;

  const LOOK_EVERY = 1000;
  /** A dialog may stand before its buttons do. */
  const LOOKS_BEFORE_TELLING = 3;
  const MOST_CLICKS = 3;
  const MOST_TOLD = 20;
  const DIALOGS = '[role="dialog"], [role="alertdialog"], dialog[open]';

  const told = new Set();
  const looks = new Map();
  const clicks = new Map();

  const words = (element) => (element?.innerText ?? '').replace(/\s+/g, ' ').trim();
  const isShown = (element) => element.isConnected && element.getClientRects().length > 0;
  const textOf = (dialog) => words(dialog).slice(0, 200);

  const tell = (text, button, dismissed) => {
    const key = JSON.stringify([text, button, dismissed]);
    if (told.has(key) || told.size >= MOST_TOLD) return;
    told.add(key);
    page[config.report]?.({ kind: 'dialog', text, button, dismissed })?.catch?.(() => {});
  };

  const look = (dialog) => {
    const text = textOf(dialog);
    const buttons = [...dialog.querySelectorAll('button, [role="button"]')].filter(isShown);
    const labels = buttons.map((button) => words(button) || (button.getAttribute('aria-label') ?? ''));
    const heading =
      words(dialog.querySelector('[role="heading"], h1, h2, h3')) ||
      (dialog.getAttribute('aria-label') ?? '') ||
      text.split(/[.!?]/)[0];
    const writes = [...dialog.querySelectorAll('textarea, [contenteditable="true"], input')].some(
      (field) => isShown(field) && !['checkbox', 'radio', 'button'].includes(field.type),
    );
    const place = buttonToClick({ heading, buttons: labels, writes });
    const count = (looks.get(text) ?? 0) + 1;
    looks.set(text, count);
    if (place < 0) {
      if (count >= LOOKS_BEFORE_TELLING) tell(text, null, false);
      return;
    }
    const tries = clicks.get(text) ?? 0;
    if (tries >= MOST_CLICKS) return tell(text, labels[place], false);
    clicks.set(text, tries + 1);
    buttons[place].click();
    setTimeout(() => {
      if (isShown(dialog) && textOf(dialog) === text) return;
      clicks.delete(text);
      tell(text, labels[place], true);
    }, LOOK_EVERY / 2);
  };

  setInterval(() => {
    for (const dialog of document.querySelectorAll(DIALOGS)) {
      try {
        if (isShown(dialog) && !dialog.parentElement?.closest(DIALOGS)) look(dialog);
      } catch {
        // one odd dialog must not hide the next
      }
    }
  }, LOOK_EVERY);
}
