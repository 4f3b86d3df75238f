// One life of the listener: client, live path, relay, sweeps and leaving, tied together. What each does is in its file.

import { SENDERS } from './boundary.js';
import { forgivePipes } from './browser.js';
import { createClient, PAIRING_CODE_SECONDS, setOwnPresenceUnavailable } from './client.js';
import { createContract } from './contract.js';
import { createErrorLimit } from './error-limit.js';
import { createLeave, within } from './leave.js';
import { createLivePath } from './live-path.js';
import { beatNow } from './page/edges.js';
import { createPageCall, isNavigation } from './page-calls.js';
import { createRelay } from './relay.js';
import { errorText, note } from './stderr.js';
import { createSweeper } from './sweep.js';
import { IGNORED, takeOver } from './takeover.js';
import { readOnlyView } from './view.js';

/** WhatsApp shows the first code for a minute and each later one for twenty seconds. */
const FIRST_QR_SECONDS = 60;
const NEXT_QR_SECONDS = 20;

/**
 * @param {import('./options.js').Options} options
 * @param {string | null} userAgent
 * @param {import('./wire.js').Wire} wire
 * @param {() => void} stopReading closes stdin
 */
export function createListener(options, userAgent, wire, stopReading) {
  /** @type {import('./page/install.js').PageConfig} */
  const config = {
    namespace: 'leadmasterd',
    report: 'onLeadmasterdReport',
    groups: options.groups,
    heartbeat: options.timing.heartbeat,
    senders: SENDERS,
    ignored: IGNORED,
  };
  const mayTell = createErrorLimit();
  const relay = createRelay(wire, options.groups);
  /** @type {(value?: unknown) => void} */
  let launched = () => {};
  const launch = new Promise((resolve) => {
    launched = resolve;
  });
  let scanned = false;
  let pairing = options.pairing_phone !== null;
  let lastState = '';
  let lastQr = '';
  let codes = 0;
  /** @type {NodeJS.Timeout | undefined} */
  let ticking;

  const client = createClient(options, userAgent, async () => {
    const browser = /** @type {import('puppeteer').Browser} */ (client.pupBrowser);
    launched();
    forgivePipes(browser.process());
    if (exit.leaving) throw new Error('the listener is stopping');
    const version = (await browser.version()).replace('Headless', '');
    wire.send('browser_started', { pid: browser.process()?.pid ?? null, version });
    await takeOver(client, config, on);
  });
  const call = createPageCall(() => client.pupPage, options.timing.evaluate);
  const contract = createContract({ call, config, tell: (broken) => wire.send('contract', broken) });
  const livePath = createLivePath({
    client,
    config,
    call,
    checkContract: contract.check,
    state: (state) => on.state(state),
    wantsQr: () => !pairing,
    loggedOut: () => on.disconnected('LOGOUT'),
    failed: (source, message) => on.pageError(source, message),
  });
  const sweeper = createSweeper({
    wire,
    call,
    config,
    message: relay.message,
    ready: () => livePath.load.ready,
    patience: options.timing.evaluate / 2,
  });
  const exit = createLeave({
    wire,
    quiet() {
      clearInterval(ticking);
      livePath.stop();
      sweeper.stop();
      stopReading();
    },
    async closeBrowser() {
      await launch;
      await client.destroy();
    },
    killBrowser() {
      const pid = client.pupBrowser?.process()?.pid;
      if (pid === undefined) return;
      try {
        process.kill(-pid, 'SIGKILL'); // puppeteer makes the browser the leader of a process group of its own
      } catch {
        // nobody left
      }
    },
  });

  /** @type {import('./takeover.js').PageListener} */
  const on = {
    blocked: (what) => wire.send('outbound_blocked', { ...what, where: 'page' }),
    dialog: (dialog) => wire.send('dialog', { ...dialog }),
    pageError(source, message) {
      if (!exit.leaving && mayTell(`${source} ${message}`)) {
        wire.send('page_error', { source, message: message.slice(0, 500) });
      }
    },
    state(state) {
      if (state === lastState || exit.leaving) return;
      lastState = state;
      wire.send('state', { state });
      if (state === 'CONNECTED' && livePath.load.ready) goUnavailable();
    },
    disconnected(reason) {
      if (exit.leaving) return;
      wire.send('disconnected', { reason, logout_reason: reason === 'LOGOUT' ? logoutReason() : null });
      if (reason === 'LOGOUT') exit.leave('logged_out');
    },
    reactions: (reactions) => relay.reactions(reactions),
    gone: (what, detail) => void exit.leave(what, detail),
    stuck: () => void livePath.check(),
    syncEdge: (handler) => livePath.syncEdge(handler),
  };

  function whatFailed() {
    if (!client.pupBrowser) return 'browser_failed';
    return client.pupBrowser.connected ? 'initialize_failed' : 'browser_gone';
  }

  /** The page is sent to `/?post_logout=1&logout_reason=N`; the library tells nothing more than LOGOUT. */
  function logoutReason() {
    try {
      return new URL(client.pupPage?.url() ?? '').searchParams.get('logout_reason');
    } catch {
      return null;
    }
  }

  async function goUnavailable() {
    if (!options.presence_unavailable) return;
    try {
      await within(setOwnPresenceUnavailable(client), options.timing.evaluate);
      wire.send('presence', { available: false });
    } catch (error) {
      on.pageError('evaluate', `own presence could not be set to unavailable: ${errorText(error)}`);
    }
  }

  function ready() {
    const { load } = livePath;
    if (load.ready || exit.leaving) return;
    if (!load.attached) {
      on.pageError('inject', 'the library said ready without its listeners attached');
      return;
    }
    load.ready = true;
    wire.send('ready', { account: load.account, fresh: scanned, web_version: load.webVersion });
    scanned = false;
    goUnavailable();
    call(beatNow, config).catch((error) => {
      if (!isNavigation(error)) on.pageError('evaluate', errorText(error));
    });
  }

  /** @param {Record<string, any>} raw */
  function added(raw) {
    const beat = relay.heartbeat(raw);
    if (beat === null) relay.message(raw, 'live');
    else if (livePath.load.ready) {
      wire.send('heartbeat', { ...beat, queued_bytes: wire.queuedBytes, dropped: wire.dropped });
    }
  }

  /** @param {string} method */
  function refused(method) {
    wire.send('outbound_blocked', { module: 'whatsapp-web.js', function: method, where: 'view' });
  }

  // In the page this can't be refused: its own code goes the same way when the server has unlinked us.
  client.logout = async () => {
    refused('logout');
    throw new Error('leadmasterd only listens: Client.logout was refused');
  };

  function subscribe() {
    const view = readOnlyView(client, (_, method) => refused(method));
    view.on('qr', (/** @type {string} */ qr) => {
      // again for each inject, and "undefined,…" when there is no reference yet
      if (pairing || qr === lastQr || qr.startsWith('undefined')) return;
      lastQr = qr;
      codes += 1;
      scanned = true;
      wire.send('qr', { qr, valid_seconds: codes === 1 ? FIRST_QR_SECONDS : NEXT_QR_SECONDS });
    });
    view.on('code', (/** @type {string} */ code) => {
      scanned = true;
      wire.send('pairing_code', { code, valid_seconds: PAIRING_CODE_SECONDS });
    });
    view.on('authenticated', () => {
      if (livePath.load.authenticated) return;
      livePath.load.authenticated = true;
      wire.send('authenticated');
    });
    view.on('ready', ready);
    view.on('disconnected', on.disconnected);
    view.on('message_create', (/** @type {any} */ message) => added(message.rawData));
    view.on('message_ciphertext', (/** @type {any} */ message) => relay.message(message.rawData, 'live'));
    view.on(
      'message_edit',
      (/** @type {any} */ message, /** @type {unknown} */ text, /** @type {unknown} */ before) =>
        relay.edit(message.rawData, text, before),
    );
    view.on('message_revoke_everyone', (/** @type {any} */ message) =>
      relay.revoke(message.rawData, 'everyone'),
    );
    view.on('message_revoke_me', (/** @type {any} */ message) => relay.revoke(message.rawData, 'me'));
    view.on('call', (/** @type {any} */ { id, from, isVideo, fromMe }) =>
      relay.call({ id, peerJid: from, isVideo, outgoing: fromMe }),
    );
  }

  return {
    leave: exit.leave,
    pageError: on.pageError,
    get leaving() {
      return exit.leaving;
    },

    /** Starts the browser; resolves when the page is injected, or when it failed and we are leaving. */
    async start() {
      subscribe();
      ticking = setInterval(() => livePath.check(), options.timing.heartbeat);
      try {
        await client.initialize();
        livePath.initialized();
      } catch (error) {
        launched(); // or it never will
        if (exit.leaving) return;
        note('initialize_failed', errorText(error));
        exit.leave(whatFailed(), errorText(error));
      }
    },

    /** @param {import('./commands.js').Command} command */
    async obey(command) {
      switch (command.type) {
        case 'stop':
          return exit.leave('stop');
        case 'ping':
          return wire.send('pong', { n: command.n });
        case 'sweep':
          return sweeper.run(command);
        case 'pairing_code':
          return startPairing(command.phone);
      }
    },
  };

  /** @param {string} phone digits */
  async function startPairing(phone) {
    const refuse = (/** @type {string} */ message) =>
      wire.send('command_error', { command: 'pairing_code', message });
    if (livePath.load.authenticated || livePath.load.attached)
      return refuse('this profile is already paired');
    if (!client.pupPage) return refuse('the page is not loaded yet');
    pairing = true;
    try {
      await within(client.requestPairingCode(phone), options.timing.evaluate);
    } catch (error) {
      pairing = false;
      refuse(errorText(error));
    }
  }
}
