// What the page says of the session -> wire lines: socket state, logout, ban, screens. That this device was unlinked shows in
// three ways, none of which can be relied on alone: events in the page before it reloads, its address after that, and the
// library's `disconnected`. The first of them is reported.

/** Milliseconds the page has to reload by itself once it says that it logs out: it may have to tell the server first. */
const LOGOUT_GRACE = 10_000;
/** The same once it says that the logout is complete. */
const RELOAD_GRACE = 2_000;
/** Milliseconds within which the same ban or refusal is not reported again. */
const REPEAT_WINDOW = 60_000;
/**
 * `expire` of a ban, in seconds: below this it is how long the ban lasts, as the page's own screen reads it (WAWebTempBanScreen,
 * 2026-04-27), from here on a time since 1970.
 */
const SMALLEST_TIME = 1_000_000_000;

/** @typedef {'event' | 'address' | 'library'} Sign what showed a logout: an event in the page, its address, or the library */

/**
 * Keeps what was last reported of the session, so that only changes go on the wire.
 * @param {object} parts
 * @param {import('./wire.js').Wire} parts.wire
 * @param {() => void} parts.leave ends this child, for it is logged out
 * @param {() => boolean} parts.leaving whether a shutdown has begun: then nothing more is reported
 * @param {(state: string) => void} parts.onState called when the socket's state has changed
 * @param {() => number} [parts.now] milliseconds
 */
export function createSession({ wire, leave, leaving, onState, now = Date.now }) {
  let state = '';
  /** @type {string | null} */
  let stream = null;
  let logoutReported = false;
  /** @type {NodeJS.Timeout | null} runs from the page's first word of a logout until the page reloads */
  let logoutTimer = null;
  /** The screen that was reported as shown; empty for none. */
  let screen = '';
  /** @type {Map<string, number>} type and code of a line -> when it was last sent, in milliseconds */
  const lastSent = new Map();

  /**
   * Reports the logout, once, and ends this child.
   * @param {Sign} by
   * @param {string} address of the page, which may hold the reason; empty when it is not known
   */
  function loggedOut(by, address) {
    if (logoutReported || leaving()) return;
    logoutReported = true;
    if (logoutTimer !== null) clearTimeout(logoutTimer);
    logoutTimer = null;
    wire.send('disconnected', { reason: 'LOGOUT', logout_reason: reasonIn(address), by });
    leave();
  }

  /**
   * Sends a line unless one of the same type and code was sent within REPEAT_WINDOW: the page repeats these at each attempt to
   * connect.
   * @param {string} type
   * @param {Record<string, unknown>} fields
   */
  function sendUnlessRepeated(type, fields) {
    const key = `${type} ${fields.code}`;
    if (now() - (lastSent.get(key) ?? Number.NEGATIVE_INFINITY) < REPEAT_WINDOW) return;
    lastSent.set(key, now());
    wire.send(type, fields);
  }

  return {
    /**
     * The state of the socket and of the server's stream behind it; reported when either has changed.
     * @param {string} newState
     * @param {string | null} [newStream] null when this build has none. The library, which does not know it, leaves it out: then
     *   the last one stays
     */
    state(newState, newStream = stream) {
      const stateChanged = newState !== state;
      if (leaving() || (!stateChanged && newStream === stream)) return;
      state = newState;
      stream = newStream;
      wire.send('state', { state, stream });
      if (stateChanged) onState(state);
    },

    /**
     * Reports a state that WhatsApp Web does not leave by itself.
     * @param {string} finalState in which it waits for a person, or has given up
     */
    ended(finalState) {
      if (!leaving()) wire.send('disconnected', { reason: finalState, logout_reason: null, by: null });
    },

    /** @param {string} address of the page */
    libraryLoggedOut: (address) => loggedOut('library', address),

    /**
     * The page logs out. Its address tells why only after it has reloaded, so the line waits for that, within a limit.
     * @param {'starting' | 'done'} step
     */
    loggingOut(step) {
      if (logoutReported || leaving()) return;
      if (logoutTimer !== null) clearTimeout(logoutTimer);
      const grace = step === 'done' ? RELOAD_GRACE : LOGOUT_GRACE;
      logoutTimer = setTimeout(() => loggedOut('event', ''), grace);
    },

    /** A new document has started: the screen that the last one showed is gone, and is reported so. */
    started() {
      if (screen !== '') wire.send('screen', { name: screen, text: '', shown: false });
      screen = '';
    },

    /**
     * The page has reloaded or gone to another address. That completes a logout that was announced, or is the first sign of one
     * if the address says so.
     * @param {string} address the new one
     */
    moved(address) {
      if (logoutTimer !== null) loggedOut('event', address);
      else if (/[?&](post_logout|logout_reason)=/.test(address)) loggedOut('address', address);
    },

    /** A shutdown has begun: reports a logout that the page has announced already, without waiting for its reload. */
    stop() {
      if (logoutTimer === null) return;
      clearTimeout(logoutTimer);
      logoutTimer = null;
      wire.send('disconnected', { reason: 'LOGOUT', logout_reason: null, by: 'event' });
    },

    /**
     * WhatsApp has banned the number for a time.
     * @param {{code: unknown, expire: unknown, message: unknown}} ban as the page has it; any of them may be null
     */
    banned({ code, expire, message }) {
      sendUnlessRepeated('banned', {
        code: code === null ? null : String(code),
        expires: banEnd(expire, Math.floor(now() / 1000)),
        message: typeof message === 'string' ? message.slice(0, 300) : null,
      });
    },

    /** WhatsApp refuses the connection for now. @param {number} code of the failure: 503 */
    unavailable: (code) => sendUnlessRepeated('unavailable', { code }),

    /**
     * The page shows something else than its chats, or no longer does.
     * @param {{name: string, text: string, shown: boolean}} change text: its first words, empty when it has gone
     */
    screen({ name, text, shown }) {
      screen = shown ? name : '';
      wire.send('screen', { name, text, shown });
    },
  };
}

/**
 * When a ban ends.
 * @param {unknown} expire see SMALLEST_TIME
 * @param {number} now seconds since 1970
 * @returns {number | null} whole seconds since 1970; null when `expire` is no number
 */
function banEnd(expire, now) {
  if (typeof expire !== 'number') return null;
  return Math.floor(expire < SMALLEST_TIME ? now + expire : expire);
}

/**
 * @param {string} address
 * @returns {string | null} `logout_reason` of the page's address, which most logouts do not have
 */
function reasonIn(address) {
  return URL.canParse(address) ? new URL(address).searchParams.get('logout_reason') : null;
}
