// What the page says of the session -> wire lines: socket state, logout, ban, screens. Being unlinked has three signs, none of
// which is always there: events in the page before it reloads, the address after it, and the library's word.

/** Milliseconds the page gets to reload by itself, once it says that it logs out: it may still tell the server. */
const LOGOUT_GRACE = 10_000;
/** The same once it says that it is done. */
const RELOAD_GRACE = 2_000;
/** Milliseconds within which the same ban or refusal is one. */
const SAME = 60_000;
/** Numbers below this are a duration. The page's own screen takes `expire` for one (WAWebTempBanScreen, 2026-04-27). */
const A_TIME = 1_000_000_000;

/**
 * @typedef {'event' | 'address' | 'library'} Sign
 */

/**
 * @param {object} parts
 * @param {import('./wire.js').Wire} parts.wire
 * @param {() => void} parts.leave ends this child, for it is logged out
 * @param {() => boolean} parts.leaving
 * @param {(state: string) => void} parts.onState
 * @param {() => number} [parts.now] milliseconds
 */
export function createSession({ wire, leave, leaving, onState, now = Date.now }) {
  let state = '';
  /** @type {string | null} */
  let stream = null;
  let told = false;
  /** @type {NodeJS.Timeout | null} */
  let logout = null;
  let screen = '';
  /** @type {Map<string, number>} */
  const sent = new Map();

  /**
   * @param {Sign} by
   * @param {string} address
   */
  function loggedOut(by, address) {
    if (told || leaving()) return;
    told = true;
    if (logout !== null) clearTimeout(logout);
    logout = null;
    wire.send('disconnected', { reason: 'LOGOUT', logout_reason: reasonIn(address), by });
    leave();
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   */
  function sendOnce(type, fields) {
    const key = `${type} ${fields.code}`;
    if (now() - (sent.get(key) ?? Number.NEGATIVE_INFINITY) < SAME) return;
    sent.set(key, now());
    wire.send(type, fields);
  }

  return {
    /**
     * @param {string} newState
     * @param {string | null} [newStream] left out by the library, which does not know it
     */
    state(newState, newStream = stream) {
      if (leaving() || (newState === state && newStream === stream)) return;
      const changed = newState !== state;
      state = newState;
      stream = newStream;
      wire.send('state', { state, stream });
      if (changed) onState(state);
    },

    /** @param {string} newState in which WhatsApp Web waits for a person, or has given up */
    ended(newState) {
      if (!leaving()) wire.send('disconnected', { reason: newState, logout_reason: null, by: null });
    },

    /** @param {string} address of the page */
    libraryLoggedOut: (address) => loggedOut('library', address),

    /**
     * The page logs out. Its address tells why only after it has reloaded, so the line waits for that, within a limit.
     * @param {'starting' | 'done'} step
     */
    loggingOut(step) {
      if (told || leaving()) return;
      if (logout !== null) clearTimeout(logout);
      logout = setTimeout(() => loggedOut('event', ''), step === 'done' ? RELOAD_GRACE : LOGOUT_GRACE);
    },

    /** A new document has started: what the one before it showed is gone. */
    started() {
      if (screen !== '') wire.send('screen', { name: screen, text: '', shown: false });
      screen = '';
    },

    /** @param {string} address the page has moved there */
    moved(address) {
      if (logout !== null) loggedOut('event', address);
      else if (/[?&](post_logout|logout_reason)=/.test(address)) loggedOut('address', address);
    },

    /** A stop must not lose what the page has said already. */
    stop() {
      if (logout === null) return;
      clearTimeout(logout);
      logout = null;
      wire.send('disconnected', { reason: 'LOGOUT', logout_reason: null, by: 'event' });
    },

    /** @param {{code: unknown, expire: unknown, message: unknown}} ban as the page has it */
    banned({ code, expire, message }) {
      const seconds = Math.floor(now() / 1000);
      const until = typeof expire === 'number' ? (expire < A_TIME ? seconds + expire : expire) : null;
      sendOnce('banned', {
        code: code === null ? null : String(code),
        expires: until === null ? null : Math.floor(until),
        message: typeof message === 'string' ? message.slice(0, 300) : null,
      });
    },

    /** @param {number} code */
    unavailable: (code) => sendOnce('unavailable', { code }),

    /** @param {{name: string, text: string, shown: boolean}} shown */
    screen({ name, text, shown }) {
      screen = shown ? name : '';
      wire.send('screen', { name, text, shown });
    },
  };
}

/**
 * @param {string} address
 * @returns {string | null} `logout_reason` of the page's address, which most logouts do not have
 */
function reasonIn(address) {
  return URL.canParse(address) ? new URL(address).searchParams.get('logout_reason') : null;
}
