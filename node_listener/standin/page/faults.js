// What a test can make the page do. Each command arrives on the stream and waits until everything delivered before it is
// processed; then it is carried out and the server is told that it is done.

import { config } from './config.js';
import { hold, releaseHolds, settled } from './delivery.js';
import { openDialog } from './dialogs.js';
import { goAway } from './link.js';
import { Events } from './models.js';
import { checkPasskey, passkeyStep, storageDialog } from './passkey.js';
import { setReadFault } from './reading.js';
import { report } from './report.js';
import { forceScreen } from './screens.js';
import { Socket } from './socket.js';
import { Msg } from './world.js';

let muted = [];

/** A foreign script's listener, or one of an earlier attach that has lost what it needs. */
function thrower(msg) {
  if (msg.isNewMsg) throw new Error('a listener throws');
}

/** Carries a command out and reports it as done. One that ends or blocks the page is reported first. */
export async function runCommand({ n, name, given }) {
  if (name !== 'way') await settled(); // a way may end what is being waited for
  const act = commands[name];
  if (!LATE.has(name)) await act(given);
  const reported = report('done', { n }).catch(() => {});
  if (name !== 'hang') await reported; // with `hang` the request leaves although nothing runs here any more
  if (LATE.has(name)) act(given);
}

/** These end or block the page, so the server is told first. */
const LATE = new Set(['reload', 'logout', 'hang', 'navigate']);

const commands = {
  state: ({ state }) => Socket.set('state', state),
  way: ({ name, value }) => {
    config.ways[name] = value;
  },
  resync: () => {
    for (const hasSynced of [false, true]) Socket.set('hasSynced', hasSynced);
  },
  reload: () => location.reload(),
  logout: ({ reason }) => goAway({ reason }),
  stream: ({ stream }) => Socket.set('stream', stream),
  screen: ({ name, on }) => forceScreen(name, on),
  hang: ({ ms }) => {
    const end = ms === null ? Infinity : Date.now() + ms;
    while (Date.now() < end);
  },
  throw: ({ message }) => {
    setTimeout(() => {
      throw new Error(message);
    });
  },
  // The listeners are gone; the socket stays CONNECTED, messages are still stored and acknowledged. Nothing shows it.
  deaf: () => {
    muted = [...muted, ...Msg.listeners('add')];
    Msg.off('add');
  },
  undeaf: () => {
    for (const listener of muted) Msg.on('add', listener);
    muted = [];
  },
  // Like "What's new", which has to be acknowledged, or the phone unlinks the device (OpenWA#982).
  dialog: openDialog,
  passkey: passkeyStep,
  check_passkey: checkPasskey,
  storage_dialog: storageDialog,
  read_fault: setReadFault,
  throwing_listener: ({ on, first }) => {
    Msg.off('add', thrower);
    const others = Msg.listeners('add');
    if (!on) return;
    Msg.off('add');
    // not by Msg.on, which somebody may have wrapped
    for (const each of first ? [thrower, ...others] : [...others, thrower])
      Events.prototype.on.call(Msg, 'add', each);
  },
  navigate: ({ kind }) => {
    if (kind === 'iframe') {
      const frame = document.createElement('iframe');
      frame.src = '/standin/empty.html';
      document.body.append(frame);
    } else {
      history.pushState({}, '', `/?moved=${Date.now()}`);
    }
  },
  // WhatsApp Web fires `add` again for messages it has (OpenWA#464): another event, no other model.
  same: ({ id, remote, times }) => {
    for (const msg of Msg.filter((each) => each.id.id === id && `${each.id.remote}` === remote)) {
      for (let count = 0; count < times; count += 1) Msg.trigger('add', msg, Msg);
    }
  },
  hold: ({ phase }) => hold(phase),
  release: ({ phase }) => releaseHolds(phase),
};
