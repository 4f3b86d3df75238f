// Runs in the page: clicks away the dialogs that only want to be acknowledged. Nobody looks at this page, and the phone
// unlinks a device that leaves "What's new" open after some five minutes (wwebjs#3550, OpenWA#982, #998).
// Sent as source text together with dialogs.js (see install.js).

import { buttonToClick, dialogName, isPasskeyCheck } from '../dialogs.js';

/** @param {import('./install.js').PageConfig} config */
export function watchDialogs(config) {
  /** @type {import('./page.js').Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {import('./page.js').Agent | undefined} */
  const agent = page[config.namespace];
  if (page.top !== page || !agent || agent.watchesDialogs) return;
  agent.watchesDialogs = true;

  const POLL_INTERVAL = 1000;
  /** A dialog may be shown before its buttons are. */
  const LOOKS_BEFORE_REPORT = 3;
  const MOST_CLICKS = 3;
  const MOST_REPORTS = 20;
  const DIALOGS = '[role="dialog"], [role="alertdialog"], dialog[open]';

  const reported = new Set();
  /** @type {Map<string, number>} */
  const looks = new Map();
  /** @type {Map<string, number>} */
  const clicks = new Map();

  const words = (/** @type {any} */ element) => (element?.innerText ?? '').replace(/\s+/g, ' ').trim();
  const isShown = (/** @type {Element} */ element) =>
    element.isConnected && element.getClientRects().length > 0;
  const nameOf = (/** @type {string} */ text) => dialogName(text, agent.session?.signs ?? new Set());
  const textOf = (/** @type {Element} */ dialog) => words(dialog).slice(0, 200);

  /**
   * @param {string} text
   * @param {string | null} button
   * @param {boolean} dismissed
   */
  const report = (text, button, dismissed) => {
    const key = JSON.stringify([text, button, dismissed]);
    if (reported.has(key) || reported.size >= MOST_REPORTS) return;
    reported.add(key);
    agent.report({ kind: 'dialog', name: nameOf(text), text, button, dismissed });
  };

  const look = (/** @type {Element} */ dialog) => {
    const text = textOf(dialog);
    if (isPasskeyCheck(text)) return; // told by watch-screens.js
    const buttons = [...dialog.querySelectorAll('button, [role="button"]')].filter(isShown);
    const labels = buttons.map((button) => words(button) || (button.getAttribute('aria-label') ?? ''));
    const heading =
      words(dialog.querySelector('[role="heading"], h1, h2, h3')) ||
      (dialog.getAttribute('aria-label') ?? '') ||
      text.split(/[.!?]/)[0];
    const writes = [...dialog.querySelectorAll('textarea, [contenteditable="true"], input')].some(
      (field) =>
        isShown(field) &&
        !['checkbox', 'radio', 'button'].includes(/** @type {HTMLInputElement} */ (field).type),
    );
    // What this OK acknowledges is a logout.
    const place = nameOf(text) === 'disk_full' ? -1 : buttonToClick({ heading, buttons: labels, writes });
    const count = (looks.get(text) ?? 0) + 1;
    looks.set(text, count);
    if (place < 0) {
      if (count >= LOOKS_BEFORE_REPORT) report(text, null, false);
      return;
    }
    const tries = clicks.get(text) ?? 0;
    if (tries >= MOST_CLICKS) return report(text, labels[place], false);
    clicks.set(text, tries + 1);
    /** @type {HTMLElement} */ (buttons[place]).click();
    setTimeout(() => {
      if (isShown(dialog) && textOf(dialog) === text) return;
      clicks.delete(text);
      report(text, labels[place], true);
    }, POLL_INTERVAL / 2);
  };

  setInterval(() => {
    for (const dialog of document.querySelectorAll(DIALOGS)) {
      try {
        if (isShown(dialog) && !dialog.parentElement?.closest(DIALOGS)) look(dialog);
      } catch {
        // one odd dialog must not hide the next
      }
    }
  }, POLL_INTERVAL);
}
