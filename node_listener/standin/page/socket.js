// The socket's state as the library reads it, the connection data, and the events of Cmd.

import { config } from './config.js';
import { createWid } from './ids.js';
import { Model } from './models.js';
import { report } from './report.js';

let onChange = () => {};

/** Calls back after each change of the socket. Not a listener: a test may take those away. */
export function watchSocket(callback) {
  onChange = callback;
}

class SocketModel extends Model {
  trigger(name, ...args) {
    super.trigger(name, ...args);
    if (name === 'change') {
      showState();
      onChange();
    }
    return this;
  }
}

const startsSynced = config.holds.includes('synced');
export const Socket = new SocketModel({
  state: startsSynced ? 'CONNECTED' : 'OPENING',
  stream: startsSynced ? 'CONNECTED' : 'DISCONNECTED',
  hasSynced: startsSynced,
});
export const Conn = new Model({ ref: undefined, pushname: undefined, platform: undefined, wid: undefined });
Conn.canSetMyPushname = () => true;
export const Cmd = new Model({ isMainStreamReadyMd: false, isOfflineDeliveryEnd: false });
// Each of its events has a function that triggers it, named so in the page (WAWebCmd, 2026-04-27).
Object.assign(Cmd, {
  onStartingLogoutFromBridge: () => Cmd.trigger('starting_logout_from_bridge'),
  onLogoutFromBridge: () => Cmd.trigger('logout_from_bridge'),
  onTemporaryBanFromBridge: (ban) => Cmd.trigger('account_temporarily_banned_from_bridge', ban),
  onServiceUnavailableFromBridge: () => Cmd.trigger('service_unavailable_503_from_bridge'),
});

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

let isReporting = false;
let hasChanged = false;

/** Shows and reports the state. One report at a time: two on their way could arrive in the wrong order. */
export async function showState() {
  document.getElementById('state').textContent = `${Socket.state}${Socket.hasSynced ? ', synced' : ''}`;
  hasChanged = true;
  if (isReporting) return;
  isReporting = true;
  while (hasChanged) {
    hasChanged = false;
    const { state, stream, hasSynced } = Socket;
    await report('state', { state, stream, synced: Boolean(hasSynced) }).catch(() => {});
  }
  isReporting = false;
}

/** The stream is open: registered, and past the handshake. What the server says of the account comes after this. */
export function streamOpened() {
  Socket.set('state', 'CONNECTED');
  if (Socket.hasSynced) Socket.set('stream', 'CONNECTED');
  Cmd.trigger('open_socket_stream_from_bridge');
}

/** The stream is gone. The state of the socket stays as it is. */
export function streamClosed() {
  if (Socket.stream === 'DISCONNECTED') return;
  Socket.set('stream', 'DISCONNECTED');
  Cmd.trigger('socket_stream_disconnected_from_bridge');
}

/** The main screen: what waited at the server is in memory, or comes from now on. */
export function enterMain() {
  if (Socket.hasSynced) return;
  Cmd.isMainStreamReadyMd = true;
  Cmd.trigger('main_stream_mode_ready_from_bridge');
  Socket.set({ hasSynced: true, stream: 'CONNECTED' });
}

/** Says whether what waited at the server has been delivered, and fires the event when that changes. */
export function offlineDelivery(ended) {
  if (Cmd.isOfflineDeliveryEnd === ended) return;
  Cmd.isOfflineDeliveryEnd = ended;
  Cmd.trigger(ended ? 'offline_delivery_end_from_bridge' : 'offline_delivery_state_reset_from_bridge');
}

/** Resolves once something has subscribed to the end of the sync, or after ten seconds.
 *
 * The library's `authenticated` and `ready` depend on the change of hasSynced: if it comes before inject() has subscribed,
 * neither is ever emitted (wwebjs#5748). A real page takes seconds to sync; here it would be a race at every start, so the
 * page waits, unless the way `wait_for_listener` is off. The hold `synced` shows the failure itself. */
export async function syncIsWatched() {
  const limit = Date.now() + 10_000;
  while (
    config.ways.wait_for_listener &&
    Socket.listeners('change:hasSynced').length === 0 &&
    Date.now() < limit
  ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Percent of what waited that is delivered. Null before the server has announced it (WAWebOfflineHandler, 2026-04-27: reading
 * it throws until then).
 */
let progress = config.ways.resume === 'blocking' ? 0 : null;
export const hasPreview = () => progress !== null;
export function offlineProgress() {
  if (progress === null) throw new TypeError('there is no offline resume yet');
  return progress;
}
export function setProgress(percent) {
  progress = percent;
  Cmd.trigger('offline_progress_update_from_bridge');
}

Socket.logout = () =>
  report('sent', { module: 'WAWebSocketModel', function: 'Socket.logout', arguments: [] });
