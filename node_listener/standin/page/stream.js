// The page's own word of how it stands, derived from the socket (WAWebStreamModel, 2026-04-27), and what it tells the
// server of its owner's presence.

import { config } from './config.js';
import { Model } from './models.js';
import { reportQuietly, session } from './report.js';
import { setScreen } from './screens.js';
import { Socket, watchSocket } from './socket.js';

/** States that are a mode under the same name. */
const MODES = new Set('CONFLICT PROXYBLOCK TOS_BLOCK SMB_TOS_BLOCK DEPRECATED_VERSION'.split(' '));

let online = true;

/** What the page means to show, as `Stream.mode`. */
function modeNow() {
  const { state, stream, hasSynced } = Socket;
  if (!session.token && state !== 'PROXYBLOCK') return 'QR';
  if (MODES.has(state)) return state;
  if (state === 'UNPAIRED' || state === 'UNPAIRED_IDLE') return 'QR';
  if (state === 'UNLAUNCHED') return 'SYNCING';
  if (state === 'OPENING' && !online && !hasSynced) return 'OFFLINE';
  return hasSynced || stream === 'CONNECTED' ? 'MAIN' : 'SYNCING';
}

/** How the connection stands, as `Stream.info`. */
function infoNow() {
  const { state, stream, hasSynced } = Socket;
  if (state === 'OPENING') return online ? 'OPENING' : 'OFFLINE';
  if (state === 'PAIRING') return hasSynced ? 'RESUMING' : 'PAIRING';
  if (state === 'CONNECTED' && stream !== 'CONNECTED' && !hasSynced) return 'SYNCING';
  return 'NORMAL';
}

export const Stream = new Model({
  info: infoNow(),
  mode: 'SYNCING',
  available: isFocused(),
  phoneAuthed: Socket.stream !== 'DISCONNECTED',
});

/** Whether the last try to reach the server got an answer. */
export function setOnline(answered) {
  online = answered;
  update();
}

/** Whether the page has the focus: as the document says, or as the way `focus` sets it. */
function isFocused() {
  const { focus } = config.ways;
  return focus === 'document' ? document.hasFocus() : focus;
}

/** Announces whether the account is there, which silences the phone's notifications (OpenWA#1175). */
function announce(cause) {
  Stream.set({ available: isFocused() });
  if (config.autoPresence)
    reportQuietly('presence', { available: Stream.available, module: 'page', function: cause });
}

/** Derives all of it from the socket again. */
function update() {
  const authed = Socket.stream !== 'DISCONNECTED';
  const connects = authed && !Stream.phoneAuthed;
  Stream.set({ info: infoNow(), mode: modeNow(), phoneAuthed: authed });
  setScreen('offline', Stream.mode === 'OFFLINE');
  if (connects) announce('connect');
}

if (config.ways.focus === 'document') {
  for (const change of ['focus', 'blur'])
    addEventListener(change, () => {
      if (Stream.phoneAuthed) announce(change);
    });
}
watchSocket(update);
update();
