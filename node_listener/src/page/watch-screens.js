// Runs in the page: looks every second for what has no event, or may have had it before we listened: a step that asks for a
// passkey, and screens that the page shows instead of its chats. Only reads, and clicks nothing: next to the "Continue" of a
// passkey check is "Log out".
// Sent as source text together with screens.js (see install.js).

import { isPasskeyCheck } from '../dialogs.js';
import { screenShown } from '../screens.js';

/**
 * Starts to look, in the main frame of each document, and adds look() to the agent: events of watch-session.js make it look at
 * once.
 * @param {import('./install.js').PageConfig} config
 */
export function watchScreens(config) {
  /** @type {import('./page.js').Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {import('./page.js').Agent | undefined} */
  const agent = page[config.namespace];
  const session = agent?.session;
  if (page.top !== page || !agent || !session || agent.look) return;

  const LOOK_INTERVAL = 1000;
  /** After this a step of which only an event is known counts as over. The page's own limits are ten minutes at most. */
  const FORGET_AFTER = 15 * 60_000;
  /**
   * What asks for a passkey while linking, and the button that each of its screens has (WAWebShortcakePasskeyScreen, mid 2026).
   */
  const PROMPT = '[data-testid="shortcake_passkey_prompt_card"]';
  const CANCEL = '[data-testid="shortcake_cancel_button"]';
  /** Where a later check of a linked account is kept until it is passed (WAWebIntegrityChallengeUtils, 2026-04-27). */
  const CHECK_KEY = 'WAIntegrityChallengeState';
  /** Milliseconds after the start by which the dialog of such a check is shown, for builds where the key cannot be read. */
  const CHECK_SHOWN = 10_000;

  let lastPasskeyReport = '';
  let hadChats = false;
  /** @type {{name: string, since: number, reported: boolean} | null} what stands instead of the chats */
  let screen = null;
  /** @type {unknown} what the page keeps under CHECK_KEY; null or undefined for none */
  let pendingCheck = null;
  let isCheckRead = false;
  /** @type {number | null} milliseconds since 1970 */
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
  const waitsForLink = (/** @type {any} */ socket) => /^UNPAIRED/.test(socket?.state ?? '');
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
   * The passkey step at which linking stands, by the page's own stage, else by its screen, else by the last event. Forgets an
   * event whose screen has gone.
   * @returns {import('./page.js').Passkey | null} null: linking waits for none
   */
  const linkingStep = () => {
    const stepBy = (
      /** @type {import('./page.js').PasskeyStep} */ step,
      /** @type {'event' | 'level'} */ by,
      /** @type {string | null} */ code = null,
    ) => ({ where: /** @type {const} */ ('linking'), step, code, by });
    const event = session.passkey;
    const api = attempt(() => agent.requireOriginal('WAWebShortcakeLinkingApi'));
    const stage = attempt(() => api.getShortcakeLinkingStage());
    if (stage === 'WaitingForVerificationCodeConfirmation') {
      const code = attempt(() => api.getVerificationCode());
      if (typeof code === 'string') return stepBy('code', event?.step === 'code' ? 'event' : 'level', code);
    }
    if (stage !== null && stage !== 'NotStarted') {
      // No event says that the code was compared, and the page leaves this stage before it is linked.
      if (event?.step === 'code') session.passkey = { ...event, step: 'working', code: null };
      return stepBy('working', event?.step === 'working' ? 'event' : 'level');
    }
    const isPrompt = isShown(PROMPT);
    const isScreen = isPrompt || isShown(CANCEL);
    if (isScreen && event) event.seen = true;
    if (isScreen && (event === null || isPrompt || event.step === 'asked')) {
      return stepBy('asked', event?.step === 'asked' ? 'event' : 'level');
    }
    if (event === null) return null;
    // A build whose screen we do not know has only the event, which counts for a time.
    const isEventValid = isScreen || (!event.seen && Date.now() - event.at < FORGET_AFTER);
    if (isEventValid) return stepBy(event.step, 'event', event.code);
    session.passkey = null;
    return null;
  };

  /** Reports what asks for a passkey, when that or what it depends on has changed. @param {any} socket null: not loaded yet */
  const lookForPasskey = (socket) => {
    const linked = socket?.state === 'CONNECTED' || Boolean(socket?.hasSynced);
    const failed = session.passkey?.step === 'failed';
    if (linked || failed) session.passkey = null;
    if (linked) readCheck();
    const linking = linked ? null : linkingStep();
    const found = linking ?? checkStep();
    // whether finding no check of the linked account proves that none is asked for
    const unchecked = linked && (isCheckRead || Date.now() - (linkedSince ?? 0) > CHECK_SHOWN);
    if (found === null && !failed && !linked && !waitsForLink(socket)) return; // the page loads: nothing can be said yet
    const text = JSON.stringify([found?.where, found?.step, found?.code, linked, failed, unchecked]);
    if (text === lastPasskeyReport) return;
    lastPasskeyReport = text;
    if (linking !== null) clearInterval(page.codeInterval); // by this timer the library renews its pairing codes
    agent.report({ kind: 'passkey', found, linked, failed, unchecked });
  };

  /**
   * The check that WhatsApp asks of a linked account, by the page's preferences or by its dialog.
   * @returns {import('./page.js').Passkey | null} null: none is asked for, as far as is known
   */
  const checkStep = () => {
    const isPending = pendingCheck !== null && pendingCheck !== undefined;
    if (!isPending && !isCheckShown()) return null;
    return { where: 'check', step: 'asked', code: null, by: 'level' };
  };

  /**
   * Reads from the page's preferences whether a check is pending; the next look sees the answer. Only once an account is
   * linked: the page complains when its preferences are read before they are loaded. A captcha is not answered by a passkey,
   * and does not count.
   */
  const readCheck = () => {
    linkedSince ??= Date.now();
    const prefs = attempt(() => agent.requireOriginal('WAWebUserPrefsIndexedDBStorage').userPrefsIdb);
    if (typeof prefs?.get !== 'function') return;
    Promise.resolve(attempt(() => prefs.get(CHECK_KEY))).then(
      (value) => {
        pendingCheck = value?.challenge_type === 'CAPTCHA' ? null : value;
        isCheckRead = true;
      },
      () => {},
    );
  };

  /**
   * Reports what the page shows instead of its chats, once it has stood for long enough, and when it has gone.
   * @param {any} socket
   */
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
    if (screen !== null && screen.name !== shown?.name) {
      if (screen.reported) agent.report({ kind: 'screen', name: screen.name, text: '', shown: false });
      screen = null;
    }
    if (shown === null) return;
    screen ??= { name: shown.name, since: Date.now(), reported: false };
    if (screen.reported || Date.now() - screen.since < shown.after) return;
    screen.reported = true;
    agent.report({ kind: 'screen', name: shown.name, text, shown: true });
  };

  agent.look = () => {
    const socket = attempt(() =>
      page.Debug.VERSION === undefined ? null : agent.requireOriginal('WAWebSocketModel').Socket,
    );
    for (const lookFor of [lookForPasskey, lookForScreen]) {
      try {
        lookFor(socket);
      } catch (error) {
        agent.failed('the look at the screen', error);
      }
    }
  };
  setInterval(agent.look, LOOK_INTERVAL);
}
