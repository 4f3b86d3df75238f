// One life of the listener: composes client, live path, pairing, relay, sweeps and shutdown. What each does is in its file.
import { SENDERS } from './boundary.js';
import { createBrowserProcess } from './browser-process.js';
import { createClient, setOwnPresenceUnavailable } from './client.js';
import { createCompatibilityCheck } from './compatibility.js';
import { createErrorLimit } from './error-limit.js';
import { subscribe } from './library-events.js';
import { createLivePath } from './live-path.js';
import { beatNow } from './page/edges.js';
import { createPageCall, isNavigation } from './page-calls.js';
import { hookPage, IGNORED } from './page-hooks.js';
import { createPairing } from './pairing.js';
import { createRelay } from './relay.js';
import { createShutdown } from './shutdown.js';
import { errorText, note } from './stderr.js';
import { createSweeper } from './sweep.js';
import { withTimeout } from './timeout.js';
import { readOnlyView } from './view.js';

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
  const shutdown = createShutdown(wire);
  const mayReport = createErrorLimit();
  const relay = createRelay(wire, options.groups);
  let lastState = '';
  const client = createClient(options, userAgent, browserLaunched);
  const browserProcess = createBrowserProcess(client);
  const call = createPageCall(() => client.pupPage, options.timing.evaluate);
  const compatibility = createCompatibilityCheck({
    call,
    config,
    patience: options.timing.late,
    attached: () => livePath.ready,
    report: (found) => wire.send('contract', found),
    reportPage: (page) => wire.send('page', page),
  });
  const pairing = createPairing({
    client,
    wire,
    byCode: options.pairing_phone !== null,
    timeout: options.timing.evaluate,
  });
  const livePath = createLivePath({
    client,
    config,
    call,
    checkCompatibility: compatibility.check,
    onState: stateChanged,
    wantsQr: () => pairing.wantsQr,
    onLogout: () => disconnected('LOGOUT'),
    onError: pageError,
  });
  const sweeper = createSweeper({
    wire,
    call,
    config,
    relay,
    ready: () => livePath.ready,
    loadTime: options.timing.evaluate / 2,
    onTrouble: (message) => pageError('evaluate', message),
  });

  shutdown.stopsFirst(livePath.stop);
  shutdown.stopsFirst(sweeper.stop);
  shutdown.stopsFirst(compatibility.stop);
  shutdown.stopsFirst(stopReading);
  shutdown.closesBrowser(browserProcess);

  async function browserLaunched() {
    const browser = /** @type {import('puppeteer').Browser} */ (client.pupBrowser);
    browserProcess.launchEnded();
    if (shutdown.leaving) throw new Error('the listener is stopping');
    const version = (await browser.version()).replace('Headless', '');
    wire.send('browser_started', { pid: browser.process()?.pid ?? null, version });
    await hookPage(client, config, {
      blocked: (what) => wire.send('outbound_blocked', { ...what, where: 'page' }),
      dialog: (dialog) => wire.send('dialog', { ...dialog }),
      pageError,
      state: stateChanged,
      disconnected,
      reactions: relay.reactions,
      gone: (what, detail) => void shutdown.leave(what, detail),
      stuck: () => void livePath.check(),
      wrapSyncHandler: livePath.wrapSyncHandler,
    });
  }

  /**
   * @param {'pageerror' | 'console' | 'evaluate' | 'inject'} source
   * @param {string} message
   */
  function pageError(source, message) {
    if (shutdown.leaving || !mayReport(`${source} ${message}`)) return;
    wire.send('page_error', { source, message: message.slice(0, 500) });
  }

  /** @param {string} state */
  function stateChanged(state) {
    if (state === lastState || shutdown.leaving) return;
    lastState = state;
    wire.send('state', { state });
    if (state === 'CONNECTED' && livePath.ready) becomeUnavailable();
  }

  /** @param {string} reason */
  function disconnected(reason) {
    if (shutdown.leaving) return;
    wire.send('disconnected', { reason, logout_reason: reason === 'LOGOUT' ? logoutReason() : null });
    if (reason === 'LOGOUT') shutdown.leave('logged_out');
  }

  /** The page goes to `/?post_logout=1&logout_reason=N`; the library reports no more than LOGOUT. */
  function logoutReason() {
    try {
      return new URL(client.pupPage?.url() ?? '').searchParams.get('logout_reason');
    } catch {
      return null;
    }
  }

  async function becomeUnavailable() {
    if (!options.presence_unavailable) return;
    try {
      await withTimeout(setOwnPresenceUnavailable(client), options.timing.evaluate);
    } catch (error) {
      pageError('evaluate', `own presence could not be set to unavailable: ${errorText(error)}`);
    }
  }

  function ready() {
    const load = shutdown.leaving ? null : livePath.becameReady();
    if (load === null) return;
    wire.send('ready', {
      account: load.account,
      fresh: pairing.takeFresh(),
      web_version: load.webVersion,
    });
    becomeUnavailable();
    call(beatNow, config).catch((error) => {
      if (!isNavigation(error)) pageError('evaluate', errorText(error));
    });
  }

  /** @param {Record<string, unknown>} raw */
  function added(raw) {
    const heartbeat = relay.heartbeat(raw);
    if (heartbeat === null) relay.message(raw, 'live');
    else if (livePath.ready) wire.send('heartbeat', { ...heartbeat, dropped: wire.dropped });
  }

  /** @param {string} method */
  function refused(method) {
    wire.send('outbound_blocked', { module: 'whatsapp-web.js', function: method, where: 'view' });
  }

  // In the page this cannot be refused: its own code takes the same way when the server has unlinked us.
  client.logout = async () => {
    refused('logout');
    throw new Error('leadmasterd only listens: Client.logout was refused');
  };

  return {
    leave: shutdown.leave,
    pageError,
    get leaving() {
      return shutdown.leaving;
    },

    /** Starts the browser. Resolves when the page is injected, or when that failed and the shutdown has begun. */
    async start() {
      subscribe(
        readOnlyView(client, (_, method) => refused(method)),
        {
          qr: pairing.qr,
          code: pairing.code,
          authenticated() {
            if (livePath.becameAuthenticated()) wire.send('authenticated');
          },
          ready,
          disconnected,
          added,
          ciphertext: (raw) => relay.message(raw, 'live'),
          edited: relay.edit,
          revoked: relay.revoke,
          call: relay.call,
        },
      );
      const timer = setInterval(livePath.check, options.timing.heartbeat);
      shutdown.stopsFirst(() => clearInterval(timer));
      try {
        await client.initialize();
        livePath.initialized();
      } catch (error) {
        browserProcess.launchEnded();
        if (shutdown.leaving) return;
        note('initialize_failed', errorText(error));
        shutdown.leave(browserProcess.failure(), errorText(error));
      }
    },

    /** @param {import('./commands.js').Command} command */
    async execute(command) {
      switch (command.type) {
        case 'stop':
          return shutdown.leave('stop');
        case 'sweep':
          return sweeper.run(command);
        case 'check_page':
          return compatibility.answer(command.check);
        case 'pairing_code':
          return pairing.requestCode(command.phone, livePath.paired);
      }
    },
  };
}
