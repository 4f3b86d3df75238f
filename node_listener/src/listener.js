// One life of the listener: composes client, live path, pairing, relay, sweeps and shutdown. What each does is in its file.
import { SENDERS } from './boundary.js';
import { whyItDoesNotStart } from './browser.js';
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
import { createPasskey } from './passkey.js';
import { createRelay } from './relay.js';
import { createSession } from './session.js';
import { createShutdown } from './shutdown.js';
import { errorText } from './stderr.js';
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
    headless: options.headless,
    heartbeat: options.timing.heartbeat,
    senders: SENDERS,
    ignored: IGNORED,
  };
  const shutdown = createShutdown(wire);
  const mayReport = createErrorLimit();
  const relay = createRelay(wire, options.groups);
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
  const passkey = createPasskey({ wire, onCancelled: () => void pairing.resume() });
  const pairing = createPairing({
    client,
    wire,
    phone: options.pairing_phone,
    timeout: options.timing.evaluate,
    held: () => passkey.stopsCodes,
  });
  const session = createSession({
    wire,
    leave: () => void shutdown.leave('logged_out'),
    leaving: () => shutdown.leaving,
    onState(state) {
      if (state === 'CONNECTED' && livePath.ready) becomeUnavailable();
    },
  });
  const livePath = createLivePath({
    client,
    config,
    call,
    checkCompatibility: compatibility.check,
    onState: session.state,
    wantsQr: () => pairing.wantsQr,
    onError: pageError,
  });
  const sweeper = createSweeper({
    wire,
    call,
    config,
    relay,
    ready: () => livePath.ready,
    loadTime: options.timing.evaluate / 2,
    patience: options.timing.evaluate,
    onTrouble: (message) => pageError('evaluate', message),
  });

  /** @type {Map<string, number>} when requests from outside the page were told of */
  const requests = new Map();

  shutdown.stopsFirst(livePath.stop);
  shutdown.stopsFirst(sweeper.stop);
  shutdown.stopsFirst(compatibility.stop);
  shutdown.stopsFirst(session.stop);
  shutdown.stopsFirst(stopReading);
  shutdown.closesBrowser(browserProcess);

  async function browserLaunched() {
    const browser = /** @type {import('puppeteer').Browser} */ (client.pupBrowser);
    browserProcess.launchEnded();
    if (shutdown.leaving) throw new Error('the listener is stopping');
    const version = (await browser.version()).replace('Headless', '');
    wire.send('browser_started', { pid: browser.process()?.pid ?? null, version });
    await hookPage(client, config, {
      report: reported,
      pageError,
      state: session.state,
      ended: session.ended,
      moved: session.moved,
      reactions: relay.reactions,
      gone: (what, detail) => void shutdown.leave(what, detail),
      requested,
      stuck: () => void livePath.check(),
      wrapSyncHandler: livePath.wrapSyncHandler,
    });
  }

  /** @param {any} report of a page script */
  function reported(report) {
    switch (report.kind) {
      case 'started':
        return session.started();
      case 'state':
        return report.state === null ? undefined : session.state(report.state, report.stream);
      case 'logout':
        return session.loggingOut(report.step);
      case 'banned':
        return session.banned(report);
      case 'unavailable':
        return session.unavailable(report.code);
      case 'passkey':
        return passkey.seen(report);
      case 'screen':
        return session.screen(report);
      case 'call':
        return relay.call(report.call, report.source);
      case 'votes':
        for (const vote of report.votes) relay.message(vote, 'live');
        return;
      case 'dialog': {
        const { name, text, button, dismissed } = report;
        return wire.send('dialog', { name, text, button, dismissed });
      }
      case 'outbound_blocked': {
        const { module, function: name } = report;
        return wire.send('outbound_blocked', { module, function: name, where: 'page' });
      }
      default:
        return pageError(report.source, report.message);
    }
  }

  /**
   * Of a kind and site once a second: code in a loop must not fill the wire.
   * @param {string} kind
   * @param {string} address
   */
  function requested(kind, address) {
    const site = URL.canParse(address) ? new URL(address).origin : '';
    const name = site.startsWith('http') ? `${kind} ${site}` : kind;
    const now = Date.now();
    if (now - (requests.get(name) ?? 0) < 1000) return;
    requests.set(name, now);
    wire.send('outbound_blocked', { module: 'browser', function: name, where: 'seen' });
  }

  /**
   * @param {'pageerror' | 'console' | 'evaluate' | 'inject' | 'listener'} source
   * @param {string} message
   */
  function pageError(source, message) {
    if (shutdown.leaving || !mayReport(`${source} ${message}`)) return;
    wire.send('page_error', { source, message: message.slice(0, 500) });
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
          qr(qr) {
            if (!shutdown.leaving) pairing.qr(qr);
          },
          code(code) {
            if (!shutdown.leaving) pairing.code(code);
          },
          authenticated() {
            if (livePath.becameAuthenticated()) wire.send('authenticated');
          },
          ready,
          disconnected(reason) {
            if (reason === 'LOGOUT') session.libraryLoggedOut(client.pupPage?.url() ?? '');
          },
          added,
          ciphertext: (raw) => relay.message(raw, 'live'),
          edited: relay.edit,
          revoked: relay.revoke,
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
        const failure = browserProcess.failure();
        const cause = failure === 'browser_failed' ? await whyItDoesNotStart(options) : null;
        shutdown.leave(failure, cause ?? errorText(error));
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
