// Runs in the page: looks every second for what nobody tells by an event, or may have told before we listened: a step that
// asks for a passkey, and screens that stand where the chats should be. Reads, and clicks nothing: beside "Continue" of a
// passkey check stands "Log out".
// Sent as source text together with screens.js (see install.js).

import { isPasskeyCheck } from '../dialogs.js';
import { screenShown } from '../screens.js';

/** @param {import('./install.js').PageConfig} config */
export function watchScreens(config) {
  /** @type {import('./page.js').Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {import('./page.js').Agent | undefined} */
  const agent = page[config.namespace];
  const session = agent?.session;
  if (page.top !== page || !agent || !session || agent.look) return;

  const LOOK_INTERVAL = 1000;
  /** A step that only an event has told, and that nothing ends: the page's own limits are ten minutes at most. */
  const FORGET_AFTER = 15 * 60_000;
  /** The screen that asks for a passkey while linking, and what all its steps have (WAWebShortcakePasskeyScreen, mid 2026). */
  const PROMPT = '[data-testid="shortcake_passkey_prompt_card"]';
  const CANCEL = '[data-testid="shortcake_cancel_button"]';
  /** Where a later check of a linked account is kept until it is passed (WAWebIntegrityChallengeUtils, 2026-04-27). */
  const CHECK_KEY = 'WAIntegrityChallengeState';
  /** By then its dialog is shown again, in a build where the key cannot be read. */
  const CHECK_SHOWN = 10_000;

  let told = '';
  let hadChats = false;
  /** @type {{name: string, since: number, told: boolean} | null} */
  let screen = null;
  /** @type {unknown} */
  let check = null;
  let checkRead = false;
  /** @type {number | null} */
  let linkedSince = null;

  const attempt = (/** @type {() => any} */ read) => {
    try {
      return read() ?? null;
    } catch {
      return null; // not loaded, or not in this build
    }
  };
  const isShown = (/** @type {string} */ selector) =>
    [...document.querySelectorAll(selector)].some((element) => element.getClientRects().length > 0);
  const isWaiting = (/** @type {any} */ socket) => /^UNPAIRED/.test(socket?.state ?? '');
  const words = (/** @type {any} */ element) =>
    String(element?.innerText ?? '')
      .replace(/\s+/g, ' ')
      .trim();
  const firstWords = () => words(document.querySelector('#app') ?? document.body).slice(0, 200);
  const isCheckShown = () =>
    [...document.querySelectorAll('[role="dialog"], [role="alertdialog"]')].some((dialog) =>
      isPasskeyCheck(words(dialog)),
    );

  /**
   * The step of linking that asks for a passkey.
   * @returns {import('./page.js').Passkey | null}
   */
  const linkingStep = () => {
    const found = (
      /** @type {import('./page.js').PasskeyStep} */ step,
      /** @type {'event' | 'level'} */ by,
      /** @type {string | null} */ code = null,
    ) => ({ where: /** @type {const} */ ('linking'), step, code, by });
    const event = session.passkey;
    const api = attempt(() => agent.requireOriginal('WAWebShortcakeLinkingApi'));
    const stage = attempt(() => api.getShortcakeLinkingStage());
    if (stage === 'WaitingForVerificationCodeConfirmation') {
      const code = attempt(() => api.getVerificationCode());
      if (typeof code === 'string') return found('code', event?.step === 'code' ? 'event' : 'level', code);
    }
    if (stage !== null && stage !== 'NotStarted') {
      // No event tells that the code was compared, and the page leaves this stage before it is linked.
      if (event?.step === 'code') session.passkey = { ...event, step: 'working', code: null };
      return found('working', event?.step === 'working' ? 'event' : 'level');
    }
    const card = isShown(PROMPT);
    if (card || isShown(CANCEL)) {
      if (event === null || card || event.step === 'asked') {
        if (event) event.seen = true;
        return found('asked', event?.step === 'asked' ? 'event' : 'level');
      }
      event.seen = true;
      return found(event.step, 'event', event.code);
    }
    if (event === null) return null;
    // Its screen has gone, or the page told no more of it for long. A build whose screen we do not know has only the event.
    if (!event.seen && Date.now() - event.at < FORGET_AFTER) return found(event.step, 'event', event.code);
    session.passkey = null;
    return null;
  };

  /** @param {any} socket */
  const lookForPasskey = (socket) => {
    const linked = socket?.state === 'CONNECTED' || Boolean(socket?.hasSynced);
    const failed = session.passkey?.step === 'failed';
    if (linked || failed) session.passkey = null;
    if (linked) readCheck();
    const linking = linked ? null : linkingStep();
    const found = linking ?? checkStep();
    // whether it is known that nobody asks for a check of the linked account
    const unchecked = linked && (checkRead || Date.now() - (linkedSince ?? 0) > CHECK_SHOWN);
    if (found === null && !failed && !linked && !isWaiting(socket)) return; // the page loads: nothing can be said yet
    const text = JSON.stringify([found?.where, found?.step, found?.code, linked, failed, unchecked]);
    if (text === told) return;
    told = text;
    if (linking !== null) clearInterval(page.codeInterval); // by this timer the library renews its pairing codes
    agent.report({ kind: 'passkey', found, linked, failed, unchecked });
  };

  /** @returns {import('./page.js').Passkey | null} */
  const checkStep = () =>
    (check !== null && check !== undefined) || isCheckShown()
      ? { where: 'check', step: 'asked', code: null, by: 'level' }
      : null;

  /** The page's preferences complain of being read before they are loaded, which they are once the socket is connected. */
  const readCheck = () => {
    linkedSince ??= Date.now();
    const prefs = attempt(() => agent.requireOriginal('WAWebUserPrefsIndexedDBStorage').userPrefsIdb);
    if (typeof prefs?.get !== 'function') return;
    Promise.resolve(attempt(() => prefs.get(CHECK_KEY))).then(
      (value) => {
        check = value?.challenge_type === 'CAPTCHA' ? null : value;
        checkRead = true;
      },
      () => {},
    );
  };

  /** @param {any} socket */
  const lookForScreen = (socket) => {
    const isUp = socket?.state !== undefined && socket.state !== 'UNLAUNCHED'; // asking for a module runs it
    const mode = attempt(() => (isUp ? agent.requireOriginal('WAWebStreamModel').Stream.mode : null));
    const chats = isShown('#side, #pane-side');
    hadChats ||= chats;
    const text = chats ? '' : firstWords();
    const shown = screenShown({
      state: socket?.state ?? null,
      mode: typeof mode === 'string' ? mode : null,
      synced: Boolean(socket?.hasSynced),
      chats,
      hadChats,
      signs: session.signs,
      text,
    });
    const tell = (/** @type {string} */ name, /** @type {string} */ words, /** @type {boolean} */ is) =>
      agent.report({ kind: 'screen', name, text: words, shown: is });
    if (screen !== null && screen.name !== shown?.name) {
      if (screen.told) tell(screen.name, '', false);
      screen = null;
    }
    if (shown === null) return;
    screen ??= { name: shown.name, since: Date.now(), told: false };
    if (screen.told || Date.now() - screen.since < shown.after) return;
    screen.told = true;
    tell(shown.name, text, true);
  };

  agent.look = () => {
    const socket = attempt(() =>
      page.Debug.VERSION === undefined ? null : agent.requireOriginal('WAWebSocketModel').Socket,
    );
    for (const each of [lookForPasskey, lookForScreen]) {
      try {
        each(socket);
      } catch (error) {
        agent.failed('the look at the screen', error);
      }
    }
  };
  setInterval(agent.look, LOOK_INTERVAL);
}
