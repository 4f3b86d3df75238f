// The socket's state as the library reads it, the connection data, and the events of Cmd.

import { config } from './config.js';
import { createWid } from './ids.js';
import { Model } from './models.js';
import { report, reportQuietly } from './report.js';

class SocketModel extends Model {
  trigger(name, ...args) {
    super.trigger(name, ...args);
    if (name === 'change') showState();
    return this;
  }
}

const synced = config.holds.includes('synced');
export const Socket = new SocketModel({ state: synced ? 'CONNECTED' : 'OPENING', hasSynced: synced });
export const Conn = new Model({ ref: undefined, pushname: undefined, platform: undefined, wid: undefined });
Conn.canSetMyPushname = () => true;
export const Cmd = new Model();

/** Thirty-two bytes that look like a key in the QR. */
export const keyBytes = (seed) => Uint8Array.from({ length: 32 }, (_, index) => (index * 7 + seed) % 256);

let advSeed = 11;
export const advSecret = () => btoa(String.fromCharCode(...keyBytes(advSeed)));
/** The secret in the QR: another one for each list of references (WAWebHandlePairDevice), and for a passkey step. */
export function renewAdvSecret() {
  advSeed += 2;
}

/** Who we are, once linked: {phone, lid, name, platform}. */
let me = null;

export function setMe(account) {
  me = account;
  Conn.set({ wid: createWid(`${me.phone}@c.us`), pushname: me.name, platform: me.platform });
}
export const myPn = () => me && createWid(`${me.phone}@c.us`);
export const myLid = () => (me?.lid ? createWid(me.lid) : null);
export const isMe = (wid) => wid.equals(myPn()) || wid.equals(myLid());

export function showState() {
  document.getElementById('state').textContent = `${Socket.state}${Socket.hasSynced ? ', synced' : ''}`;
  reportQuietly('state', { state: Socket.state, synced: Socket.hasSynced });
}

/** Resolves once something has subscribed to the end of the sync, or after ten seconds.
 *
 * The library's `authenticated` and `ready` depend on the change of hasSynced: if it comes before inject() has subscribed,
 * neither is ever emitted (wwebjs#5748). A real page takes seconds to sync; here it would be a race at every start, so the
 * page waits. The hold `synced` shows the failure itself. */
export async function syncIsWatched() {
  const limit = Date.now() + 10_000;
  while (Socket.listeners('change:hasSynced').length === 0 && Date.now() < limit) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

let progress = 0;
export const offlineProgress = () => progress;
export function setProgress(percent) {
  progress = percent;
  Cmd.trigger('offline_progress_update_from_bridge');
}

Socket.logout = () =>
  report('sent', { module: 'WAWebSocketModel', function: 'Socket.logout', arguments: [] });
