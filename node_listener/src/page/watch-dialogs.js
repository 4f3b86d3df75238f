// Runs in the page: clicks away the dialogs that only want to be acknowledged, and reports all. Nobody looks at it, and the phone
// unlinks a device that leaves "What's new" open after some five minutes (wwebjs#3550, OpenWA#982, #998).
// Sent as source text together with dialogs.js (see install.js).

import { buttonToClick, dialogName, isPasskeyCheck } from '../dialogs.js';

/**
 * Looks every second for dialogs, in the main frame of each document.
 * @param {import('./install.js').PageConfig} config
 */
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
  /** How often a dialog that stays is clicked. */
  const MOST_CLICKS = 3;
  const MOST_REPORTS = 20; // in one document
  const DIALOGS = '[role="dialog"], [role="alertdialog"], dialog[open]';

  const reported = new Set();
  /** @type {Map<string, number>} text of a dialog -> how often it was seen */
  const looks = new Map();
  /** @type {Map<string, number>} text of a dialog -> how often it was clicked since it last went away */
  const clicks = new Map();

  const words = (/** @type {any} */ element) => (element?.innerText ?? '').replace(/\s+/g, ' ').trim();
  const isShown = (/** @type {Element} */ element) =>
    element.isConnected && element.getClientRects().length > 0;
  /** The name under which this dialog is reported; null for most. */
  const nameOf = (/** @type {string} */ text) => dialogName(text, agent.session?.signs ?? new Set());
  const textOf = (/** @type {Element} */ dialog) => words(dialog).slice(0, 200);

  /**
   * Reports a dialog, once in a document for each outcome.
   * @param {string} text
   * @param {string | null} button the label of the one that was clicked
   * @param {boolean} dismissed whether it has gone after that
   */
  const report = (text, button, dismissed) => {
    const key = JSON.stringify([text, button, dismissed]);
    if (reported.has(key) || reported.size >= MOST_REPORTS) return;
    reported.add(key);
    agent.report({ kind: 'dialog', name: nameOf(text), text, button, dismissed });
  };

  /** Whether a dialog has a field to type into. @param {Element} dialog */
  const hasTextField = (dialog) => {
    const fields = [...dialog.querySelectorAll('textarea, [contenteditable="true"], input')].filter(isShown);
    return fields.some((field) => {
      const { type } = /** @type {HTMLInputElement} */ (field);
      return !['checkbox', 'radio', 'button'].includes(type);
    });
  };

  /**
   * Clicks the button of a dialog that only wants to be acknowledged, and reports what has become of it.
   * @param {Element} dialog
   */
  const look = (dialog) => {
    const text = textOf(dialog);
    if (isPasskeyCheck(text)) return; // reported by watch-screens.js
    const buttons = [...dialog.querySelectorAll('button, [role="button"]')].filter(isShown);
    const labels = buttons.map((button) => words(button) || (button.getAttribute('aria-label') ?? ''));
    const shownHeading = words(dialog.querySelector('[role="heading"], h1, h2, h3'));
    const ariaLabel = dialog.getAttribute('aria-label') ?? '';
    const firstSentence = text.split(/[.!?]/)[0];
    const heading = shownHeading || ariaLabel || firstSentence;
    const writes = hasTextField(dialog);
    // The dialog of a full disk is left alone: its OK is followed by a logout.
    const isDiskFull = nameOf(text) === 'disk_full';
    const buttonIndex = isDiskFull ? -1 : buttonToClick({ heading, buttons: labels, writes });
    const count = (looks.get(text) ?? 0) + 1;
    looks.set(text, count);
    if (buttonIndex < 0) {
      if (count >= LOOKS_BEFORE_REPORT) report(text, null, false);
      return;
    }
    const tries = clicks.get(text) ?? 0;
    if (tries >= MOST_CLICKS) {
      report(text, labels[buttonIndex], false);
      return;
    }
    clicks.set(text, tries + 1);
    /** @type {HTMLElement} */ (buttons[buttonIndex]).click();
    setTimeout(() => {
      if (isShown(dialog) && textOf(dialog) === text) return;
      clicks.delete(text);
      report(text, labels[buttonIndex], true);
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
