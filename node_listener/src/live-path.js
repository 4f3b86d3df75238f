// Sets up the path that a live message takes, at each load of the page: the library is injected, its listeners are attached, and
// then it is ready. The library takes these steps on events that it may miss, in handlers whose failures are swallowed. So its
// inject() and attachEventListeners() are wrapped here, and the state of the page is polled too (wwebjs#5748, #5755: a page with
// a stored session may be synced before anybody listens).
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { markInjected, notLoaded, probe, refreshQr } from './page/edges.js';
import { pageSources } from './page/install.js';
import { isAnswerLost, isNavigation, isTimeout } from './page-calls.js';
import { oneAfterAnother, skipWhileBusy } from './serial.js';
import { errorText } from './stderr.js';

/** How often inject() is tried when the page reloads during it (OpenWA#1081, #1181), or an answer is lost. */
const INJECT_ATTEMPTS = 5;
/** Milliseconds that a new QR code may take before we ask for it again. */
const QR_TIMEOUT = 20_000;
/** Milliseconds before attaching is retried; doubles with each retry, six times at most. */
const ATTACH_RETRY = 5_000;
/**
 * The modules that the library takes from the page as soon as there is a version (AuthStore.js:3-21, Client.js:146-277), and
 * those that it takes when it attaches. `Debug.VERSION` is set before most modules are loaded (WAWebDebugSetup, build of
 * 2026-04-27), and the library asks once: a module that comes later would stay the harmless replacement that shims.js made of it.
 */
const TO_INJECT = [
  'WAWebSocketModel',
  'WAWebCmd',
  'WAWebConnModel',
  'WAWebOfflineHandler',
  'WAWebAltDeviceLinkingApi',
  'WABase64',
  'WAWebCompanionRegClientUtils',
  'WAWebAdvSignatureApi',
  'WAWebUserPrefsInfoStore',
  'WAWebSignalStoreApi',
  'WAWebUserPrefsMultiDevice',
];
const TO_ATTACH = ['WAWebCollections', 'WAWebSyncGatingUtils', 'WAWebAddonReactionTableMode'];
/** Without one of these no message arrives, so they are waited for longer. */
const VITAL = ['WAWebSocketModel', 'WAWebCollections'];
/** Once no further module was loaded for so many milliseconds, those still missing count as not in this build. */
const MODULES_SETTLED = 2_000;
/** The same while a vital one is missing. */
const VITAL_SETTLED = 15_000;
const MODULES_POLL = 100;
/** The library's helpers in the page, to load them again. */
const { LoadUtils } = createRequire(import.meta.url)('whatsapp-web.js/src/util/Injected/Utils.js');

/**
 * @typedef {import('./page/page.js').Account} Account
 *
 * @typedef {object} PageLoad how far one load of the page has come
 * @property {string | null} document names it; null before the first
 * @property {boolean} attached the library's listeners are attached
 * @property {boolean} authenticated
 * @property {boolean} ready
 * @property {Account | null} account known once attached
 * @property {string | null} webVersion
 * @property {number} retryAt milliseconds since 1970 before which attaching is not tried again
 * @property {number} retries
 *
 * @typedef {ReturnType<typeof createLivePath>} LivePath
 */

/**
 * Wraps the client's inject(), getWWebVersion() and attachEventListeners() at once. All else happens when the library calls these,
 * and in check().
 * @param {object} parts
 * @param {import('whatsapp-web.js').Client} parts.client
 * @param {import('./page/install.js').PageConfig} parts.config
 * @param {import('./page-calls.js').PageCall} parts.call
 * @param {(when: 'booted' | 'failed' | 'attached') => Promise<void>} parts.checkCompatibility never fails
 * @param {(state: string, stream: string | null) => void} parts.onState at each look at the page, changed or not
 * @param {() => boolean} parts.wantsQr whether this profile is to be linked by a QR code
 * @param {(source: 'inject' | 'evaluate', message: string) => void} parts.onError
 */
export function createLivePath({ client, config, call, checkCompatibility, onState, wantsQr, onError }) {
  // inject and attachEventListeners are missing from the library's types
  const library = /** @type {any} */ (client);
  const sources = pageSources(config);
  const libraryInject = library.inject.bind(library);
  const libraryAttach = library.attachEventListeners.bind(library);
  const libraryVersion = library.getWWebVersion.bind(library);
  let load = newLoad(null);
  let stopped = false;
  let initialized = false;
  /** Milliseconds since 1970 before which new QR codes are not asked for again. */
  let qrRefreshAt = 0;
  /** How often they were asked for since codes were last shown. */
  let qrRefreshes = 0;
  /** @type {ReturnType<typeof skipWhileBusy> | null} runs the library's sync handler; null until the library has set it */
  let attaching = null;

  // Two injects at once fail with "already exists" (wwebjs#201845).
  const injecting = oneAfterAnother(injectWithRetries);
  library.inject = injecting.run;

  // The library calls this when there is a version, and asks for its modules right after it.
  library.getWWebVersion = async () => {
    await waitForModules(TO_INJECT);
    return libraryVersion();
  };

  // The library calls this once its helpers are in the page. Only a load that gets through all of it may become ready.
  library.attachEventListeners = async () => {
    await waitForModules(TO_ATTACH);
    await call(sources.prepare);
    await call(sources.patch);
    try {
      await libraryAttach();
      const { document, account, web_version } = /** @type {any} */ (await call(sources.watch));
      if (document !== load.document) throw pageReloaded();
      load.account = account;
      load.webVersion = web_version;
      load.attached = true;
    } finally {
      await checkCompatibility('attached'); // before ready, and above all when ready will not come
    }
  };

  /**
   * Waits until the page has loaded these modules, or no further one of them for so long that the rest is not in this build.
   * Throws when the page reloads meanwhile.
   * @param {string[]} modules
   */
  async function waitForModules(modules) {
    const waitsIn = load.document;
    let lastMissing = '';
    let unchangedSince = Date.now();
    for (;;) {
      const { document, missing } = await call(notLoaded, config, modules);
      if (document !== waitsIn) throw pageReloaded();
      if (missing.length === 0 || stopped) return;
      if (missing.join() !== lastMissing) unchangedSince = Date.now();
      lastMissing = missing.join();
      const isVitalMissing = missing.some((module) => VITAL.includes(module));
      if (Date.now() - unchangedSince >= (isVitalMissing ? VITAL_SETTLED : MODULES_SETTLED)) return;
      await pause(MODULES_POLL);
    }
  }

  /**
   * Injects, and tries again after failures that pass by themselves: without a limit while there is no network, else
   * INJECT_ATTEMPTS times. Throws the last failure.
   */
  async function injectWithRetries() {
    let failures = 0;
    let injected = false;
    while (!injected && !stopped) {
      try {
        await injectOnce();
        injected = true;
      } catch (error) {
        const cause = stopped ? 'stopped' : await causeOf(error);
        if (cause === 'reloaded' || cause === 'lost') failures += 1;
        if (cause === 'broken' || failures === INJECT_ATTEMPTS) throw error;
      }
    }
  }

  /**
   * Why an inject failed. `offline`: without a network the page stays in OPENING, and the library waits in it without a
   * limit (Client.js:146-180). The state is on the wire, so the daemon decides how long to wait; we retry for as long as
   * the page answers. `reloaded`: a step of inject may run in the next document, before that has a `require`, and then
   * any error may come of it. `lost`: see isAnswerLost.
   * @param {unknown} error
   * @returns {Promise<'offline' | 'reloaded' | 'lost' | 'broken'>}
   */
  async function causeOf(error) {
    if (isNavigation(error)) return 'reloaded';
    if (isAnswerLost(error)) return 'lost';
    const page = await call(probe, config).catch((/** @type {unknown} */ failure) => ({ failure }));
    if ('failure' in page) return isNavigation(page.failure) ? 'reloaded' : 'broken';
    if (isTimeout(error)) return 'offline';
    return page.document !== load.document ? 'reloaded' : 'broken';
  }

  /** Has the library inject, unless it has done so in this document already, and marks the document. */
  async function injectOnce() {
    const before = await call(probe, config);
    // A frame navigated, or the page called pushState: the document is still the same. The library would add its handlers
    // a second time and emit everything twice (Client.js:495-504; wwebjs#201653).
    const isSameDocument = before.document !== null && before.document === load.document;
    if (isSameDocument && before.injected) return;
    load = newLoad(before.document);
    try {
      await libraryInject();
    } catch (error) {
      if (!isNavigation(error) && !isAnswerLost(error)) await checkCompatibility('failed');
      throw error;
    }
    const after = await call(probe, config);
    if (after.document !== before.document) throw pageReloaded();
    await call(sources.prepare);
    await checkCompatibility('booted');
    await call(markInjected, config);
    checkSafely(); // not awaited: attaching may fail and be retried, and the page is injected all the same
  }

  /**
   * Attaches after an attempt that failed half-way. The library would not: once its helpers are in the page it skips attaching
   * and says ready all the same, CONNECTED but without messages (Client.js:307-375; OpenWA calls it the premature ready). The
   * helpers are replaced and never taken away: listeners of the first attempt may call them.
   */
  async function attachAgain() {
    await call(LoadUtils);
    await library.attachEventListeners();
  }

  /** Runs check() and reports what it throws, unless a reload caused that: the next load is checked as well. */
  async function checkSafely() {
    try {
      await check();
    } catch (error) {
      if (!stopped && !isNavigation(error)) onError('evaluate', errorText(error));
    }
  }

  /** Asks the page for new QR codes. When that was in vain, the next call tries another way first. */
  async function askForQrCodes() {
    qrRefreshAt = Date.now() + QR_TIMEOUT;
    const way = await call(refreshQr, qrRefreshes);
    qrRefreshes += 1;
    if (way === null) onError('evaluate', 'this build of WhatsApp Web has no way to ask for new QR codes');
  }

  /**
   * Looks how far the page load has come and takes the step that it is stuck at: new QR codes, another inject, or attaching. Also
   * passes on the socket's state.
   */
  async function check() {
    const page = await call(probe, config);
    if (page.state !== null) onState(page.state, page.stream);
    if (stopped || page.attached) return;
    if (page.state === 'UNPAIRED') qrRefreshes = 0; // codes are shown
    const codesStopped = page.state === 'UNPAIRED_IDLE';
    if (codesStopped && wantsQr() && Date.now() >= qrRefreshAt) await askForQrCodes();
    if (!page.injected) {
      // inject() failed after a reload, and no navigation will come that makes the library call it again
      if (initialized && !injecting.busy) await library.inject();
      return;
    }
    if (!page.synced || Date.now() < load.retryAt) return;
    if (attaching === null || attaching.busy) return;
    load.retryAt = Date.now() + ATTACH_RETRY * 2 ** Math.min(load.retries, 6);
    load.retries += 1;
    await attaching.run().catch((error) => {
      if (!isNavigation(error)) onError('inject', `onAppStateHasSyncedEvent: ${errorText(error)}`);
    });
  }

  return {
    /**
     * Wraps the library's handler of `change:hasSynced`, which attaches its listeners. The library calls it at every change,
     * whatever the value; several then run at once, and all but one of those fail silently. The wrapped one only runs when the
     * page is synced and not attached yet, and never twice at a time.
     * @param {() => Promise<void>} handler
     * @returns {() => Promise<void>}
     */
    wrapSyncHandler(handler) {
      attaching = skipWhileBusy(async () => {
        if (stopped) return;
        const page = await call(probe, config);
        if (!page.synced || page.attached) return;
        if (page.helpers) await attachAgain(); // an earlier attempt has put them there
        await handler();
      });
      return attaching.run;
    },

    /** Looks at the page while it is not attached yet. To be called every few seconds; never fails. */
    async check() {
      if (!stopped && !load.attached && client.pupPage) await checkSafely();
    },

    /** initialize() has returned: from now on we retry a failed inject. */
    initialized() {
      initialized = true;
    },

    /**
     * The library says that the session is valid: notes it.
     * @returns {boolean} whether this is the first time in this page load
     */
    becameAuthenticated() {
      const first = !load.authenticated;
      load.authenticated = true;
      return first;
    },

    /**
     * The library says that it is ready: notes it, if its listeners are attached.
     * @returns {{account: Account | null, webVersion: string | null} | null} null unless this load has just become ready
     */
    becameReady() {
      if (load.ready) return null;
      if (!load.attached) {
        onError('inject', 'the library said ready without its listeners attached');
        return null;
      }
      load.ready = true;
      return { account: load.account, webVersion: load.webVersion };
    },

    /** Nothing is injected, attached or asked of the page from now on. */
    stop() {
      stopped = true;
    },

    /** Whether live messages arrive in the page's present load. */
    get ready() {
      return load.ready;
    },

    /** Whether this profile is linked, as far as the present load has shown. */
    get paired() {
      return load.authenticated || load.attached;
    },
  };
}

/** An error that isNavigation() recognises. */
function pageReloaded() {
  return new Error('Execution context was destroyed: the page reloaded');
}

/**
 * @param {string | null} document
 * @returns {PageLoad}
 */
function newLoad(document) {
  return {
    document,
    attached: false,
    authenticated: false,
    ready: false,
    account: null,
    webVersion: null,
    retryAt: 0,
    retries: 0,
  };
}
