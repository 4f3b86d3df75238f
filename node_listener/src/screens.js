// What a page without chats shows, by name. Like message/ids.js this runs in Node and, as source text, in the page, so it uses
// nothing from outside itself. The browser starts with --lang=en-US; texts are those of the build of 2026-04-27.

/**
 * @param {object} page
 * @param {string | null} page.state of the socket
 * @param {string | null} page.mode `Stream.mode`, null if this build does not tell
 * @param {boolean} page.synced
 * @param {boolean} page.chats whether the list of chats is there
 * @param {boolean} page.hadChats whether it was there at some time
 * @param {ReadonlySet<string>} page.signs what events have told: `temporary_ban`, `logout`
 * @param {string} page.text the first words of the page
 * @returns {{name: string, after: number} | null} after: milliseconds it must stand to be worth a line. Null for the chats,
 *   a code to scan, and a page that loads
 */
export function screenShown({ state, mode, synced, chats, hadChats, signs, text }) {
  const AT_ONCE = 3_000;
  const IN_PASSING = 30_000;
  /** The page itself gives up the first sync after 180 s (WAWebSyncBootstrap). */
  const SYNCING = 200_000;
  const MODES = {
    OFFLINE: 'offline',
    CONFLICT: 'conflict',
    PROXYBLOCK: 'blocked',
    TOS_BLOCK: 'blocked',
    SMB_TOS_BLOCK: 'blocked',
    DEPRECATED_VERSION: 'outdated',
  };
  /** @type {[RegExp, string][]} */
  const TEXTS = [
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
  const said = TEXTS.find(([words]) => words.test(text));
  if (said) return { name: said[1], after: AT_ONCE };
  if (mode !== null && Object.hasOwn(MODES, mode))
    return { name: MODES[/** @type {keyof typeof MODES} */ (mode)], after: AT_ONCE };
  if (mode === 'QR' || state === 'UNPAIRED' || state === 'UNPAIRED_IDLE') return null;
  if (hadChats) return { name: 'unknown', after: IN_PASSING };
  return synced || mode === null ? null : { name: 'unknown', after: SYNCING };
}
