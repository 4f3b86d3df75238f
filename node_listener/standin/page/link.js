// The life of the connection: open the stream, follow what it says, open it again when it drops.

import { config, pageId } from './config.js';
import { holdOnly, receive, settled, storeFirst, watchProgress } from './delivery.js';
import { leavePasskeyScreen, linkDeviceEvents } from './passkey.js';
import { report, reportQuietly, session } from './report.js';
import { Cmd, Conn, Socket, setMe, setProgress, showState, syncIsWatched } from './socket.js';
import { saveSession, wipe } from './storage.js';
import { storeContacts, storeHistory } from './storing.js';
import { endOfflineDelivery, loadWorld } from './world.js';

let stream = new AbortController();
let stopped = false;
let everConnected = false;
let offline = { expected: 0, done: 0 };
let runCommand = () => {};

/** Sets what carries out the commands that arrive on the stream. */
export function onCommand(run) {
  runCommand = run;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A page that is being left closes its stream; listeners must not take that for a lost connection.
addEventListener('pagehide', () => {
  stopped = true;
});

export async function stayConnected() {
  let pause = config.retry;
  while (!stopped && !config.holds.includes('opening')) {
    const again = await follow(() => {
      pause = config.retry;
    }).catch(() => false); // the server is not there, or has closed the stream
    if (stopped) return;
    if (again) continue;
    // Before the first connection the state stays OPENING, for as long as there is no network.
    if (everConnected) Socket.set('state', 'TIMEOUT');
    await sleep(pause);
    pause = Math.min(pause * 2, config.retry * 10);
    if (everConnected && !stopped) Socket.set('state', 'OPENING');
  }
}

/** Reads the stream to its end. Returns true when another one is wanted at once. */
async function follow(onOpen) {
  stream = new AbortController();
  const query = new URLSearchParams({ page: pageId, ...(session.token && { token: session.token }) });
  const answer = await fetch(`/standin/stream?${query}`, { signal: stream.signal });
  if (answer.status === 401) {
    await leave((await answer.json()).reason);
    return false;
  }
  if (!answer.ok) throw new Error(`the server refused the stream: ${answer.status}`);
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
      handle(said);
    }
  }
}

function handle(said) {
  if (said.kind === 'item') receive(said.item);
  else if (said.kind === 'command') runCommand(said);
  else if (said.kind === 'held') holdOnly(said.phases);
  else if (said.kind === 'hello') connected(said);
  else if (said.kind === 'ref') {
    Conn.set('ref', said.ref);
    if (Socket.state !== 'UNPAIRED') Socket.set('state', 'UNPAIRED');
    showState();
  } else if (said.kind === 'idle') {
    Socket.set('state', 'UNPAIRED_IDLE');
  } else if (said.kind === 'code_answered') {
    const name = said.refused ? 'error_alt_linking' : 'primary_hello_received';
    linkDeviceEvents.trigger(`link_device_events:${name}`);
  } else if (said.kind === 'conflict') {
    stopped = true;
    stream.abort();
    Socket.set('state', 'CONFLICT');
  }
}

async function becomePaired(linked) {
  leavePasskeyScreen();
  Socket.set('state', 'PAIRING');
  await saveSession(linked);
  session.token = linked.token;
  setMe(linked.me);
  Socket.set('state', 'OPENING');
}

function connected(hello) {
  everConnected = true;
  setMe(hello.me);
  // History first, then what waited at the server, then hasSynced: so nothing of either is ever emitted.
  if (hello.history) storeFirst(syncHistory());
  offline = { expected: hello.offline, done: 0 };
  watchProgress((count) => {
    offline.done += count;
    if (offline.done < offline.expected) setProgress(Math.floor((offline.done / offline.expected) * 100));
    if (offline.done >= offline.expected) finishSync();
  });
  Socket.set('state', 'CONNECTED');
  showState();
  // The real page announces itself, which silences the phone's notifications (OpenWA#1175).
  if (config.autoPresence)
    reportQuietly('presence', { available: true, module: 'page', function: 'connect' });
  if (hello.offline === 0) settled().then(finishSync);
}

async function syncHistory() {
  try {
    const { messages, contacts } = await (await fetch(`/standin/history?token=${session.token}`)).json();
    await storeContacts(contacts);
    await storeHistory(messages);
    await loadWorld();
    await report('history_done');
  } catch {
    stream.abort(); // the server still has the history: the next connection tries again
  }
}

async function finishSync() {
  if (config.holds.includes('progress')) return;
  await syncIsWatched();
  if (stopped || Socket.hasSynced) return;
  setProgress(100);
  Socket.set('hasSynced', true);
  endOfflineDelivery();
}

/** Logged out: nothing of the session stays, and the page goes where the real one goes. */
export async function leave(reason) {
  stopped = true;
  stream.abort();
  await wipe();
  Cmd.trigger('logout_from_bridge');
  location.href = `/?post_logout=1&logout_reason=${reason}`;
}

Socket.reconnect = () => stream.abort();
Socket.takeover = () => {
  stopped = false;
  Socket.set('state', 'OPENING');
  stayConnected();
};
