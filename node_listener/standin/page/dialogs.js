// Dialogs of the page: `role=dialog`, and buttons whose clicks the server learns.

import { report } from './report.js';

/**
 * @param dialog text: the heading; details: more text; buttons: labels; number: what the server knows it by;
 *   act: by label, what a click does. A click closes the dialog, unless act answers `stay`
 * @returns closes it
 */
export function openDialog({ number, text, details = '', buttons, act = {} }) {
  const dialog = document.createElement('div');
  dialog.setAttribute('role', 'dialog');
  const heading = document.createElement('h1');
  heading.textContent = text;
  const paragraph = document.createElement('p');
  paragraph.textContent = details;
  dialog.append(heading, ...(details ? [paragraph] : []));
  for (const label of buttons) {
    const button = document.createElement('div');
    button.setAttribute('role', 'button');
    button.textContent = label;
    button.addEventListener('click', () => {
      if (act[label]?.() !== 'stay') dialog.remove();
      report('dialog', { number, button: label }).catch(() => {});
    });
    dialog.append(button);
  }
  document.body.append(dialog);
  return () => dialog.remove();
}
