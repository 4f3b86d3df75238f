// Composes the parts of the listener (client, live path, pairing, relay, sweeps, shutdown) and passes each event to the part
// that handles it. What each part does is in its file.
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
 * Connects the parts; nothing runs before start(). A process creates one listener and ends with it.
 * @param {import('./options.js').Options} options
 * @param {string | null} userAgent null: the browser's own
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

  /** @type {Map<string, number>} kind and site of a request -> when it was last reported, in milliseconds */
  const requestReports = new Map();

  shutdown.stopsFirst(livePath.stop);
  shutdown.stopsFirst(sweeper.stop);
  shutdown.stopsFirst(compatibility.stop);
  shutdown.stopsFirst(session.stop);
  shutdown.stopsFirst(stopReading);
  shutdown.closesBrowser(browserProcess);

  /**
   * Runs when the browser is up and has loaded nothing yet: the last moment to put our scripts in front of the page's own.
   * Throws, which ends initialize(), when a shutdown has begun meanwhile.
   */
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

  /**
   * Passes on what a page script reports. A kind that is not listed is an error of such a script.
   * @param {any} report see Report in page/page.d.ts; its other fields depend on its `kind`
   */
  function reported(report) {
    switch (report.kind) {
      case 'started':
        return session.started();
      case 'state':
        if (report.state !== null) session.state(report.state, report.stream);
        return;
      case 'logout':
        return session.loggingOut(report.step);
      case 'banned':
        return session.banned(report);
      case 'unavailable':
        return session.unavailable(report.code);
      case 'passkey':
        return passkey.update(report);
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
   * Reports a request that code from outside the page made, at most once a second for one kind and site: code in a loop must not
   * fill the wire.
   * @param {string} kind of resource, or `page` for another tab
   * @param {string} address only its site is reported, and only for http and https
   */
  function requested(kind, address) {
    const site = URL.canParse(address) ? new URL(address).origin : '';
    const name = site.startsWith('http') ? `${kind} ${site}` : kind;
    const now = Date.now();
    if (now - (requestReports.get(name) ?? 0) < 1000) return;
    requestReports.set(name, now);
    wire.send('outbound_blocked', { module: 'browser', function: name, where: 'seen' });
  }

  /**
   * Reports an error of the page, unless it was reported just now (error-limit.js) or a shutdown causes it.
   * @param {'pageerror' | 'console' | 'evaluate' | 'inject' | 'listener'} source
   * @param {string} message
   */
  function pageError(source, message) {
    if (shutdown.leaving || !mayReport(`${source} ${message}`)) return;
    wire.send('page_error', { source, message: message.slice(0, 500) });
  }

  /**
   * Announces that the account is not online, unless the options forbid it: the phone shows no notifications while another device
   * is online. Each connection starts as online, so this is done after each.
   */
  async function becomeUnavailable() {
    if (!options.presence_unavailable) return;
    try {
      await withTimeout(setOwnPresenceUnavailable(client), options.timing.evaluate);
    } catch (error) {
      pageError('evaluate', `own presence could not be set to unavailable: ${errorText(error)}`);
    }
  }

  /** The library says that it is ready: once for each page load this is reported, and then a first heartbeat is sent. */
  function ready() {
    if (shutdown.leaving) return;
    const load = livePath.becameReady();
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

  /**
   * A new message, or our heartbeat, which takes the same way and counts only once the live path is ready.
   * @param {Record<string, unknown>} raw
   */
  function added(raw) {
    const heartbeat = relay.heartbeat(raw);
    if (heartbeat === null) relay.message(raw, 'live');
    else if (livePath.ready) wire.send('heartbeat', { ...heartbeat, dropped: wire.dropped });
  }

  /** @param {string} method of the library's client, the call of which was refused */
  function refused(method) {
    wire.send('outbound_blocked', { module: 'whatsapp-web.js', function: method, where: 'view' });
  }

  // The page's own logout cannot be refused (see boundary.js), so the library's is refused here.
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

    /**
     * Carries out a command of the daemon. Resolves when that is done; what came of it is on the wire.
     * @param {import('./commands.js').Command} command
     */
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
