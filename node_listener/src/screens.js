// Names what the page shows instead of its chats. Like message/ids.js this runs in Node and, as source text, in the page, so it
// uses nothing from outside itself. The browser starts with --lang=en-US; texts are those of the build of 2026-04-27.

/**
 * The screen that stands where the chats should be. What an event or the page's words say counts before `mode`.
 * @param {object} page
 * @param {string | null} page.state of the socket
 * @param {string | null} page.mode `Stream.mode`: what the page means to show. Null if this build has none
 * @param {boolean} page.synced whether the chats have been synchronised in this load
 * @param {boolean} page.chats whether the list of chats is there
 * @param {boolean} page.hadChats whether it was there at some time
 * @param {ReadonlySet<string>} page.signs what events of the page have said so far: `temporary_ban`, `logout`
 * @param {string} page.text the first words of the page
 * @returns {{name: string, after: number} | null} after: milliseconds that it must be shown before it is reported, since some
 *   pass by themselves. Null for the chats, a code to scan, and a page that loads
 */
export function screenShown({ state, mode, synced, chats, hadChats, signs, text }) {
  // how long a screen must be shown before it is reported, in milliseconds
  const AT_ONCE = 3_000;
  const MAY_PASS = 30_000;
  /** The page itself gives up the first sync after 180 s (WAWebSyncBootstrap). */
  const MAY_SYNC = 200_000;
  const NAMES_OF_MODES = {
    OFFLINE: 'offline',
    CONFLICT: 'conflict',
    PROXYBLOCK: 'blocked',
    TOS_BLOCK: 'blocked',
    SMB_TOS_BLOCK: 'blocked',
    DEPRECATED_VERSION: 'outdated',
  };
  /** @type {[RegExp, string][]} */
  const NAMES_OF_TEXTS = [
    [/temporarily banned/i, 'temporary_ban'],
    [/app lock is on/i, 'locked'],
    [/computer not connected/i, 'offline'],
    [/open (in another window|on another computer)/i, 'conflict'],
    [/^logging out/i, 'logout'],
  ];

  if (state === 'SCREEN_LOCKED') return { name: 'locked', after: AT_ONCE };
  if (chats) return null;
  if (signs.has('temporary_ban')) return { name: 'temporary_ban', after: AT_ONCE };
  if (signs.has('logout')) return { name: 'logout', after: AT_ONCE };
  for (const [words, name] of NAMES_OF_TEXTS) {
    if (words.test(text)) return { name, after: AT_ONCE };
  }
  if (mode !== null && Object.hasOwn(NAMES_OF_MODES, mode))
    return { name: NAMES_OF_MODES[/** @type {keyof typeof NAMES_OF_MODES} */ (mode)], after: AT_ONCE };
  const showsCode = mode === 'QR' || state === 'UNPAIRED' || state === 'UNPAIRED_IDLE';
  if (showsCode) return null;
  if (hadChats) return { name: 'unknown', after: MAY_PASS };
  // Once synchronised the page is about to draw its chats; without a mode, loading and being stuck look alike.
  if (synced || mode === null) return null;
  return { name: 'unknown', after: MAY_SYNC };
}
