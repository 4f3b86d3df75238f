// The passkey steps, without the passkey: the real page asks navigator.credentials, here an action of the test answers.
//
// At linking: a full screen in the place of the QR, not a dialog; the state stays UNPAIRED and the references go on. The
// modules are from a build after 2026-04-27, which has their switches only. Later, of a linked account: a modal that stays
// until it is answered, over reloads too (WAWebIntegrityChallengeUtils, WAWebIntegrityPasskeyCheckpointUtils).

import { config } from './config.js';
import { openDialog } from './dialogs.js';
import { Events } from './models.js';
import { reportQuietly } from './report.js';
import { renewAdvSecret } from './socket.js';
import { userPrefs } from './storage.js';

export const linkDeviceEvents = new Events();

const ShortcakeLinkingStage = Object.freeze(
  Object.fromEntries(
    [
      'NotStarted',
      'Initialized',
      'WaitingForPrimaryIdentity',
      'WaitingForVerificationCodeConfirmation',
      'WaitingForPairingCompletion',
    ].map((name) => [name, name]),
  ),
);

let stage = ShortcakeLinkingStage.NotStarted;
let code = null;
let limit;

/** Goes to a stage, which fails when it lasts too long. */
function enter(next) {
  stage = next;
  clearTimeout(limit);
  limit = setTimeout(() => fail('timeout'), config.passkeyLimit);
}

/** Back to the beginning, without a word. */
function clear() {
  clearTimeout(limit);
  stage = ShortcakeLinkingStage.NotStarted;
  code = null;
}

/** Ends the step with an error, and shows the prompt again. */
function fail(reason) {
  clear();
  show('prompt', 'That did not work.');
  reportQuietly('passkey', { step: 'error' });
  linkDeviceEvents.trigger('link_device_events:shortcake_error', reason);
}

export const shortcakeLinkingApi = {
  ShortcakeLinkingStage,
  getShortcakeLinkingStage: () => stage,
  getVerificationCode: () => code,
  cancelShortcakeLinking: clear,
};

/** What happens at each step; the server keeps their order. */
const STEPS = {
  prompt() {
    if (stage === ShortcakeLinkingStage.NotStarted) renewAdvSecret();
    show('prompt');
    linkDeviceEvents.trigger('link_device_events:passkey_prologue_request');
  },
  continue() {
    enter(ShortcakeLinkingStage.WaitingForPrimaryIdentity);
    show('waiting');
    linkDeviceEvents.trigger('link_device_events:shortcake_prologue_sent');
  },
  code(given) {
    enter(ShortcakeLinkingStage.WaitingForVerificationCodeConfirmation);
    code = given.code;
    show('code');
    linkDeviceEvents.trigger('link_device_events:shortcake_verification_code_ready', code, false);
  },
  confirm() {
    enter(ShortcakeLinkingStage.WaitingForPairingCompletion);
  },
  error({ reason }) {
    fail(reason);
  },
};

export const passkeyStep = ({ step, ...given }) => STEPS[step](given);

/** Ends the step and its screen: the page is linked, or the step was cancelled. */
export function leavePasskeyScreen() {
  clear();
  screen?.remove();
  screen = null;
}

let screen = null;

function element(tag, testId, ...children) {
  const made = document.createElement(tag);
  if (testId) made.dataset.testid = testId;
  made.append(...children);
  return made;
}

function button(testId, label, clicked) {
  const made = element('button', testId, label);
  made.type = 'button';
  made.addEventListener('click', clicked);
  return made;
}

/** What is known of the screens are their test ids; the texts are this stand-in's. */
const CARDS = {
  prompt(error) {
    const alert = element('span', null, error ?? '');
    if (error) alert.setAttribute('role', 'alert');
    const pressed = () => {
      stage = ShortcakeLinkingStage.Initialized; // from here on the real page waits for navigator.credentials.get
      reportQuietly('passkey', { step: 'pressed' });
    };
    return element(
      'div',
      'shortcake_passkey_prompt_card',
      'Use your passkey to link this device. ',
      alert,
      button('shortcake_passkey_continue_button', 'Continue', pressed),
    );
  },
  waiting: () => element('div', 'shortcake_waiting_for_phone_card', 'Go on with your phone.'),
  code: () => element('div', null, element('div', 'shortcake_verification_code_display', code)),
};

/** Shows a card in a screen of its own, with a button to cancel. */
function show(card, error) {
  screen?.remove();
  const cancel = button('shortcake_cancel_button', 'Cancel', () => {
    leavePasskeyScreen();
    reportQuietly('passkey', { step: 'cancelled' });
  });
  screen = element('div', 'shortcake_passkey_screen', CARDS[card](error), cancel);
  Object.assign(screen.style, { position: 'fixed', inset: 0, background: 'white' });
  document.body.append(screen);
}

const CHALLENGE = 'WAIntegrityChallengeState'; // its key in the page's own preferences
let closeCheck = () => {};

/** The later check of a linked account begins, or has been passed. */
export async function checkPasskey({ on, number }) {
  closeCheck();
  if (!on) return userPrefs.remove(CHALLENGE);
  await userPrefs.set(CHALLENGE, {
    challenge_type: 'PASSKEY',
    passkey_challenge_base64: 'c3RhbmQtaW4',
    number,
  });
  reopenCheck();
}

/** At each start of a linked page (WAWebIntegrityCheckpointOpener). */
export function reopenCheck() {
  const challenge = userPrefs.get(CHALLENGE);
  if (!challenge) return;
  closeCheck = openDialog({
    number: challenge.number,
    text: 'Quick security check with Passkey',
    details: 'You can continue using WhatsApp Web after we verify your account with your Passkey.',
    buttons: ['Continue', 'Log out of WhatsApp Web'],
    act: {
      Continue: () => 'stay',
      'Log out of WhatsApp Web': () => void window.require('WAWebSocketModel').Socket.logout(),
    },
  });
}

export const storageCmd = new Events();

/** No space left: both events open a modal that cannot be closed, and its button logs out (WAWebStorageRecoveryPopup). */
export function storageDialog({ name, number }) {
  storageCmd.trigger(name);
  openDialog({
    number,
    text: 'Your computer does not have enough space for WhatsApp to run. Please create more storage by deleting unused files from your computer, then log in again.',
    buttons: ['OK'],
    act: { OK: () => void window.require('WAWebSocketModel').Socket.logout() },
  });
}
