// The life of the connection: open the stream, follow what it says, open it again when it drops.

import { config, pageId } from './config.js';
import { beginDelivery, holdOnly, receive, storeFirst } from './delivery.js';
import { fail, succeed } from './failures.js';
import { firstHistoryComes, syncHistory, takeChunk } from './history.js';
import { leave } from './leaving.js';
import { leavePasskeyScreen, linkDeviceEvents } from './passkey.js';
import { report, session } from './report.js';
import {
  Conn,
  enterMain,
  offlineDelivery,
  renewAdvSecret,
  Socket,
  setMe,
  setProgress,
  showState,
  streamClosed,
  streamOpened,
  syncIsWatched,
} from './socket.js';
import { saveSession } from './storage.js';
import { setOnline } from './stream.js';
import { endOfflineDelivery, loadWorld } from './world.js';

/** From so many waiting messages on, a resume is blocking (A/B 2508, default of 2026-04-27). */
export const NONBLOCKING_BELOW = 1000;

let stream = new AbortController();
/** No further connection is made in this page. */
let stopped = false;
let everConnected = false;
let restored = null;
let runCommand = () => {};

/** Sets what carries out the commands that arrive on the stream. */
export function onCommand(run) {
  runCommand = run;
}

/** Fills memory from the store, once. */
export const restore = () => {
  restored ??= loadWorld(config.ways.chats_in_memory);
  return restored;
};

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const isOldReconnect = () => config.ways.reconnect === 'timeout';

// A page that is being left closes its stream; listeners must not take that for a lost connection.
addEventListener('pagehide', () => {
  stopped = true;
});

/** Connects, and again after each loss, with growing pauses, until the page stops. */
export async function stayConnected() {
  let pause = config.retry;
  while (!stopped && !config.holds.includes('opening')) {
    const reconnectsAtOnce = await follow(() => {
      pause = config.retry;
    }).catch(() => false); // the server is not there, or has closed the stream
    if (stopped) return;
    streamClosed();
    if (!reconnectsAtOnce) {
      // Before the first connection the state stays OPENING, for as long as there is no network.
      if (everConnected && isOldReconnect()) Socket.set('state', 'TIMEOUT');
      await sleep(pause);
      pause = Math.min(pause * 2, config.retry * 10);
    }
    if (stopped) return;
    if (!isOldReconnect() || (everConnected && !reconnectsAtOnce)) Socket.set('state', 'OPENING');
  }
}

/** Opens the stream and reads it to its end. Returns true when another one is wanted at once: the page was just linked. */
async function follow(onOpen) {
  stream = new AbortController();
  const query = new URLSearchParams({ page: pageId, ...(session.token && { token: session.token }) });
  const answer = await fetch(`/standin/stream?${query}`, { signal: stream.signal }).catch((error) => {
    if (error.name !== 'AbortError') setOnline(false);
    throw error;
  });
  setOnline(true);
  if (!answer.ok && answer.status !== 401) throw new Error(`the server refused the stream: ${answer.status}`);
  if (!isOldReconnect()) Socket.set('state', 'PAIRING');
  if (answer.status === 401) {
    // The handshake is over before the server says that it does not know the session any more.
    if (!isOldReconnect()) streamOpened();
    await goAway({ reason: (await answer.json()).reason, announced: false });
    return false;
  }
  onOpen();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (!line) continue;
      const said = JSON.parse(line);
      if (said.kind === 'paired') {
        await becomePaired(said.session);
        return true;
      }
      if (said.kind === 'failure') {
        streamOpened();
        stopped = await fail(said);
        return false;
      }
      handle(said);
    }
  }
}

const HANDLERS = {
  item: ({ item }) => receive(item),
  command: (said) => runCommand(said),
  held: ({ phases }) => holdOnly(phases),
  hello: connected,
  chunk: takeChunk,
  conflict: () => stop('CONFLICT'),
  // Another connection has the session: the comms end and nothing else is said (WAWebHandleStreamError, 2026-04-27).
  replaced: () => stop(),
  ref: ({ ref, renewed }) => {
    if (renewed && Conn.ref) renewAdvSecret();
    Conn.set('ref', ref);
    if (Socket.state !== 'UNPAIRED') Socket.set('state', 'UNPAIRED');
    showState();
  },
  idle: () => Socket.set('state', 'UNPAIRED_IDLE'),
  code_answered: ({ refused }) =>
    linkDeviceEvents.trigger(
      `link_device_events:${refused ? 'error_alt_linking' : 'primary_hello_received'}`,
    ),
};

function handle(said) {
  HANDLERS[said.kind](said);
}

/** Ends the connection for good, in a state if one is given. The page stays. */
function stop(state) {
  stopped = true;
  stream.abort();
  if (state) Socket.set('state', state);
  streamClosed();
}

/** Ends the connection and leaves the page, as after a logout. */
export async function goAway(why) {
  stopped = true;
  stream.abort();
  await leave(why);
}

async function becomePaired(linked) {
  leavePasskeyScreen();
  // A scanned page is told by stream error 515 to connect again, now with a session.
  if (isOldReconnect()) Socket.set('state', 'PAIRING');
  await saveSession(linked);
  session.token = linked.token;
  setMe(linked.me);
  if (isOldReconnect()) Socket.set('state', 'OPENING');
}

/** The server has greeted the page: chooses how to take in what waited there (README.md, way `resume`). */
function connected(hello) {
  everConnected = true;
  setMe(hello.me);
  streamOpened();
  succeed();
  showState();
  const { resume, reconnect_limit: limit } = config.ways;
  if (Socket.hasSynced && limit !== null && hello.offline >= limit) return reload();
  if (resume === 'blocking') return resumeAsBefore(hello);
  if (config.holds.includes('progress')) return beginDelivery({ ...QUIET, expected: Infinity });
  const isNonblocking = resume === 'nonblocking' || hello.offline < NONBLOCKING_BELOW;
  if (Socket.hasSynced || hello.history || isNonblocking) return resumeNonblocking(hello);
  resumeBlocking(hello);
}

function reload() {
  stopped = true;
  location.reload();
}

const QUIET = { mode: 'silent', onProgress: () => {}, onEnd: () => {} };

/** The first history, then what waited at the server, then hasSynced: so nothing of either is ever emitted. */
function resumeAsBefore({ history, offline: expected }) {
  if (history) storeFirst(bootstrap());
  beginDelivery({
    mode: 'live',
    expected,
    onProgress: (done) => {
      if (done < expected) setProgress(Math.floor((done / expected) * 100));
    },
    onEnd: async () => {
      if (config.holds.includes('progress')) return;
      await syncIsWatched();
      if (stopped) return;
      if (!Socket.hasSynced) setProgress(100);
      enterMain();
      deliveryEnded();
    },
  });
}

/** What waited is added first and stored later. A page that is not on its main screen yet goes there before that. */
function resumeNonblocking({ history, offline: expected }) {
  offlineDelivery(false);
  if (history) storeFirst(bootstrap().then((synced) => synced && enterWhenWatched()));
  else storeFirst(restore().then(enterWhenWatched));
  let shown = 0;
  const show = (percent) => {
    if (percent !== shown) setProgress(percent);
    shown = percent;
  };
  show(expected === 0 ? 95 : 1);
  beginDelivery({
    mode: 'add_first',
    expected,
    onProgress: (done) => expected > 0 && show(Math.min(Math.ceil((100 * done) / expected), 95)),
    onEnd: () => {
      show(99);
      deliveryEnded();
    },
  });
}

/** What waited is stored, then memory is filled from the store, then comes hasSynced. */
function resumeBlocking({ offline: expected }) {
  setProgress(0);
  beginDelivery({
    ...QUIET,
    expected,
    onProgress: (done) => setProgress(Math.min(Math.ceil((100 * done) / expected), 100)),
    onEnd: async () => {
      await restore();
      await enterWhenWatched();
      deliveryEnded();
    },
  });
}

function deliveryEnded() {
  offlineDelivery(true);
  endOfflineDelivery();
}

async function enterWhenWatched() {
  await syncIsWatched();
  if (!stopped) enterMain();
}

/** The first history of a new link. False when it could not be had: the server still has it for the next connection. */
async function bootstrap() {
  if (!(await firstHistoryComes())) {
    await report('unlink', { reason: 2 }).catch(() => {});
    await goAway({ params: { logout_reason: 2 } });
    return await new Promise(() => {}); // nothing follows in this page
  }
  try {
    await syncHistory();
    return true;
  } catch {
    stream.abort();
    return false;
  }
}

Socket.reconnect = () => stream.abort();
Socket.takeover = () => {
  if (config.ways.second_page === 'replaced') throw new Error('Takeover called without conflict!');
  stopped = false;
  Socket.set('state', 'OPENING');
  stayConnected();
};
