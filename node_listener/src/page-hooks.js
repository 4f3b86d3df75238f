// Set up in the fresh browser before it loads anything: the page guard, our bindings, and listeners for what the library
// never watches (its own page and browser).

import { CALLED_BY_THE_PAGE, GUARDED } from './boundary.js';
import { takeFocusAway } from './page/focus.js';
import { guardPage } from './page/guard.js';
import { pageSources } from './page/install.js';
import { guardListeners } from './page/listeners.js';
import { installShims } from './page/shims.js';
import { isNavigation } from './page-calls.js';
import { errorText } from './stderr.js';

/**
 * States of the socket in which the session goes on. WhatsApp Web leaves them by itself, all but SCREEN_LOCKED, where a person
 * unlocks the page. Builds of 2026-04-27 have no TIMEOUT.
 */
const SESSION_GOES_ON = ['CONNECTED', 'OPENING', 'PAIRING', 'TIMEOUT', 'SCREEN_LOCKED'];

/**
 * @typedef {object} PageListener
 * @property {(report: any) => void} report what a page script reports; see Report in page/page.d.ts
 * @property {(source: 'pageerror' | 'console' | 'inject', message: string) => void} pageError
 * @property {(state: string) => void} state of the socket
 * @property {(state: string) => void} ended a state in which WhatsApp Web waits for a person, or has given up
 * @property {(address: string) => void} moved the page has gone to another address, or reloaded
 * @property {(reactions: Record<string, unknown>[]) => void} reactions
 * @property {(what: 'browser_gone' | 'page_crashed' | 'page_closed', detail: string | null) => void} gone
 * @property {(kind: string, address: string) => void} requested code that is not the page's has made a request, or opened a tab
 * @property {() => void} stuck the page no longer shows QR codes
 * @property {(handler: () => Promise<void>) => () => Promise<void>} wrapSyncHandler see live-path.js
 */

/**
 * Sets up guards, bindings and listeners. They last as long as the browser: scripts and bindings are installed again in each
 * document that it loads.
 * @param {import('whatsapp-web.js').Client} client whose browser is up and has loaded nothing yet
 * @param {import('./page/install.js').PageConfig} config
 * @param {PageListener} on
 */
export async function hookPage(client, config, on) {
  const page = /** @type {import('puppeteer').Page} */ (client.pupPage);
  const browser = /** @type {import('puppeteer').Browser} */ (client.pupBrowser);
  watchForDeath(page, browser, on);
  page.on('pageerror', (error) => on.pageError('pageerror', errorText(error)));
  page.on('console', (message) => {
    // a resource that the network did not bring is no error of the page, and there are many
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      on.pageError('console', message.text());
    }
  });
  page.on('framenavigated', (frame) => {
    if (frame === page.mainFrame()) on.moved(frame.url());
  });
  page.on('request', (request) => {
    if (isFromOutside(request, page)) on.requested(request.resourceType(), request.url());
  });
  // A second tab would have the session but none of our guards, so it is reported and closed.
  browser.on('targetcreated', (target) => {
    if (target.type() !== 'page' || target === page.target()) return;
    on.requested('page', target.url());
    target.page().then(
      (other) => other?.close(),
      () => {}, // gone already
    );
  });
  guardNavigation(client, page, on);
  guardHandlers(page, on);
  await exposeBindings(page, config, on);
  const guard = {
    modules: GUARDED,
    rejecting: CALLED_BY_THE_PAGE,
    namespace: config.namespace,
    report: config.report,
  };
  if (config.headless) await page.evaluateOnNewDocument(takeFocusAway);
  await page.evaluateOnNewDocument(guardPage, guard);
  await page.evaluateOnNewDocument(installShims, { namespace: config.namespace });
  await page.evaluateOnNewDocument(guardListeners, { namespace: config.namespace });
  for (const watch of pageSources(config).watches) await page.evaluateOnNewDocument(watch);
}

/**
 * Whether a request was made by code that was evaluated into the page: by itself, by import() or by a frame that it loads.
 * Neither the library nor we do that while listening. It is only reported: to refuse it, every request would have to wait for
 * us. A load of the page itself does not count.
 * @param {import('puppeteer').HTTPRequest} request
 * @param {import('puppeteer').Page} page
 */
function isFromOutside(request, page) {
  const caller = request.initiator()?.stack?.callFrames[0];
  if (!caller?.url.startsWith('pptr:')) return false;
  return !(request.isNavigationRequest() && request.frame() === page.mainFrame());
}

/**
 * Reports the end of the browser or its page, of which the library says nothing.
 * @param {import('puppeteer').Page} page
 * @param {import('puppeteer').Browser} browser
 * @param {PageListener} on
 */
function watchForDeath(page, browser, on) {
  browser.on('disconnected', () => on.gone('browser_gone', null));
  page.on('error', (error) => on.gone('page_crashed', errorText(error)));
  // a dying browser closes its page first: give the browser time to report
  page.on('close', () =>
    setTimeout(() => on.gone(browser.connected ? 'page_closed' : 'browser_gone', null), 250),
  );
}

/**
 * Changes page.on(), so that the library's handler of `framenavigated` is wrapped when the library subscribes it. As it is, it
 * would run for frames and pushState too, and nothing would catch what it throws (wwebjs#201653, #201845). Wrapped, it runs for
 * the main frame only, and a failure is reported. A pushState in the main frame still comes to inject(), which live-path.js wraps.
 * @param {import('whatsapp-web.js').Client} client
 * @param {import('puppeteer').Page} page
 * @param {PageListener} on
 */
function guardNavigation(client, page, on) {
  const subscribe = page.on.bind(page);
  /** @type {any} */ (page).on = (
    /** @type {any} */ event,
    /** @type {(frame: any) => Promise<void>} */ handler,
  ) => {
    if (event !== 'framenavigated') return subscribe(event, handler);
    return subscribe(event, async (frame) => {
      if (frame !== page.mainFrame()) return;
      try {
        await handler.call(client, frame);
      } catch (error) {
        // another navigation has interrupted this one, and the handler runs for that too
        if (!isNavigation(error)) on.pageError('inject', errorText(error));
      }
    });
  };
}

/**
 * Changes page.exposeFunction(), so that the library's handlers are wrapped and what they throw is reported. Otherwise it becomes
 * a rejected promise in the page that nobody awaits (puppeteer's Binding.run): authenticated, never ready, and no error anywhere
 * (wwebjs#3727 and others). The sync handler is also wrapped by the live path.
 * @param {import('puppeteer').Page} page
 * @param {PageListener} on
 */
function guardHandlers(page, on) {
  const expose = page.exposeFunction.bind(page);
  /** @type {Map<string, (...args: any[]) => Promise<any>>} */
  const exposed = new Map();

  /**
   * The handler, wrapped: it reports what it throws and then resolves with undefined.
   * @param {string} name
   * @param {(...args: any[]) => any} handler
   */
  function reporting(name, handler) {
    const inner = name === 'onAppStateHasSyncedEvent' ? on.wrapSyncHandler(handler) : handler;
    return async (/** @type {any[]} */ ...args) => {
      try {
        return await inner(...args);
      } catch (error) {
        if (!isNavigation(error)) on.pageError('inject', `${name}: ${errorText(error)}`);
      }
    };
  }

  /** @type {any} */ (page).exposeFunction = async (
    /** @type {string} */ name,
    /** @type {(...args: any[]) => any} */ handler,
  ) => {
    // A binding exposed while a document was loading may be missing in it. Exposing it again fails with "already exists"
    // (wwebjs#201845), so it is removed first. The handler that came first stays: for some names that is ours.
    const known = exposed.get(name);
    if (known !== undefined) await page.removeExposedFunction(name).catch(() => {});
    const wrapped = known ?? reporting(name, handler);
    exposed.set(name, wrapped);
    await expose(name, wrapped);
  };
}

/**
 * Exposes our own bindings, and those that replace one of the library's: the library exposes none whose name the page has
 * already.
 * @param {import('puppeteer').Page} page
 * @param {import('./page/install.js').PageConfig} config
 * @param {PageListener} on
 */
async function exposeBindings(page, config, on) {
  /** @type {Record<string, (...args: any[]) => void>} */
  const bindings = {
    [config.report]: on.report,
    // The library's handler runs window.require() in Node when the QR stops rotating (Client.js:290), so no new one comes.
    onAuthAppStateChangedEvent: (state) => {
      on.state(state);
      if (state === 'UNPAIRED_IDLE') on.stuck();
    },
    // The library's handler destroys the browser in every state that does not heal. The daemon decides that.
    onAppStateChangedEvent: (state) => {
      on.state(state);
      if (!SESSION_GOES_ON.includes(state)) on.ended(state);
    },
    // The library's handler reads `_serialized` of the sender, which some builds lack.
    onReaction: (reactions) => on.reactions(reactions),
  };
  // The library's handlers query the server about the chat on each of these.
  for (const name of config.ignored) bindings[name] = () => {};
  for (const [name, handler] of Object.entries(bindings)) await page.exposeFunction(name, handler);
}

/** Bindings of the library whose events nobody here listens to. */
export const IGNORED = [
  'onMessageAckEvent',
  'onChatUnreadCountEvent',
  'onRemoveChatEvent',
  'onArchiveChatEvent',
  'onBatteryStateChangedEvent',
  'onMessageMediaUploadedEvent',
  'onPollVoteEvent',
];
