// What a page does that is no longer linked: nothing of the session stays, and it loads again without one.

import { config } from './config.js';
import { setScreen } from './screens.js';
import { Cmd, Socket, streamClosed } from './socket.js';
import { wipe } from './storage.js';

/**
 * @param {object} why reason: WhatsApp's number for it, or null; announced: false when the server refused the session at a
 *   connect, which is said by no event before (WAWebHandleFailure, 2026-04-27); params: of the address, null for a plain
 *   reload
 */
export async function leave({ reason = null, announced = true, params = null }) {
  const way = config.ways.unlink;
  if (way === 'post_logout' && params === null) {
    await wipe();
    Cmd.onLogoutFromBridge();
    location.href = `/?post_logout=1&logout_reason=${reason ?? 0}`;
    return;
  }
  if (announced) {
    Cmd.onStartingLogoutFromBridge();
    setScreen('logout', true);
  }
  streamClosed();
  Socket.set('hasSynced', undefined); // the library takes this change for another `authenticated`
  await wipe();
  const address = params ?? (way === 'params' ? { logout_reason: reason } : {});
  if (Object.keys(address).length > 0) location.href = `${location.pathname}?${new URLSearchParams(address)}`;
  else location.reload();
  Cmd.onLogoutFromBridge();
}
