// The path on which a message comes: injected, attached, ready; once a page load. The library reaches it by edges it
// may miss and by handlers whose failures are swallowed, so its inject() and attachEventListeners() are wrapped here
// and the same is also checked as a level (wwebjs#5748, #5755: a warm profile is synced before anybody listens).
import { forgetHalfAttached, markInjected, probe, refreshQr } from './page/edges.js';
import { pageSources } from './page/install.js';
import { isNavigation, isTimeout } from './page-calls.js';
import { errorText } from './stderr.js';

/** How often an inject is begun again when the page reloads under it (OpenWA#1081, #1181). */
const INJECT_ATTEMPTS = 5;
/** How long a fresh QR may take before it is asked for again. */
const QR_PATIENCE = 20_000;

/**
 * @typedef {{wid: string | null, lid: string | null, push_name: string | null, platform: string | null}} Account
 * @typedef {{document: string | null, attached: boolean, authenticated: boolean, ready: boolean,
 *   account: Account | null, webVersion: string | null, retryAt: number, retries: number}} PageLoad
 * @typedef {ReturnType<typeof createLivePath>} LivePath
 */

/**
 * @param {object} parts
 * @param {import('whatsapp-web.js').Client} parts.client
 * @param {import('./page/install.js').PageConfig} parts.config
 * @param {import('./page-calls.js').PageCall} parts.call
 * @param {(when: 'booted' | 'attached') => Promise<void>} parts.checkContract never fails
 * @param {(state: string) => void} parts.state
 * @param {() => boolean} parts.wantsQr
 * @param {() => void} parts.loggedOut
 * @param {(source: 'inject' | 'evaluate', message: string) => void} parts.failed
 */
export function createLivePath({ client, config, call, checkContract, state, wantsQr, loggedOut, failed }) {
  // inject and attachEventListeners are private to the library's types
  const library = /** @type {any} */ (client);
  const sources = pageSources(config);
  const inject = library.inject.bind(library);
  const attach = library.attachEventListeners.bind(library);
  let load = newLoad(null);
  let stopped = false;
  let initialized = false;
  let busy = false;
  let syncing = false;
  let refreshAt = 0;
  /** @type {(() => Promise<void>) | null} */
  let runSyncEdge = null;
  /** @type {Promise<void>} */
  let injecting = Promise.resolve();

  // One after the other: two at once fail with "already exists" (wwebjs#201845).
  library.inject = () => {
    injecting = injecting.catch(() => {}).then(injectPatiently);
    return injecting;
  };

  // Runs right after LoadUtils. Ready is only what got through all of this.
  library.attachEventListeners = async () => {
    await call(sources.prepare);
    await call(sources.mend);
    try {
      await attach();
      const { document, account, web_version } = /** @type {any} */ (await call(sources.watch));
      if (document !== load.document) throw reloaded();
      load.account = account;
      load.webVersion = web_version;
      load.attached = true;
    } finally {
      await checkContract('attached'); // before ready, and all the more if there will be none
    }
  };

  async function injectPatiently() {
    busy = true;
    try {
      for (let attempt = 1; !stopped; ) {
        try {
          return await injectOnce();
        } catch (error) {
          if (stopped) return;
          // Without a network the page stays in OPENING, and the library waits in it without a limit (Client.js:146-180). The
          // state is on the wire, so how long is the daemon's to say: as long as the page answers, we begin again.
          if (isTimeout(error) && (await answers())) continue;
          if (attempt === INJECT_ATTEMPTS || !(isNavigation(error) || (await movedOn()))) throw error;
          attempt += 1;
        }
      }
    } finally {
      busy = false;
    }
  }

  async function answers() {
    return call(probe, config).then(
      () => true,
      () => false,
    );
  }

  /** A step of inject may land in the next document, before that has a `require`: then any error may come of it. */
  async function movedOn() {
    return call(probe, config).then((now) => now.document !== load.document, isNavigation);
  }

  async function injectOnce() {
    // Removed on the phone while we were down: the page ends here before anybody listens for its navigation.
    if (client.pupPage?.url().includes('post_logout=1')) return loggedOut();
    const before = await call(probe, config);
    // A frame or a pushState navigated, the document is the one we know. The library would put its handlers on top of those
    // of the last time, and say everything twice (Client.js:495-504; wwebjs#201653).
    if (before.document !== null && before.document === load.document && before.injected) return;
    load = newLoad(before.document);
    try {
      await inject();
    } catch (error) {
      if (!isNavigation(error)) await checkContract('booted');
      throw error;
    }
    const after = await call(probe, config);
    if (after.document !== before.document) throw reloaded();
    await call(sources.prepare);
    await checkContract('booted');
    await call(markInjected, config);
    checkSafely(); // not awaited: attaching may fail and be repeated while the page is injected all the same
  }

  async function checkSafely() {
    try {
      await check();
    } catch (error) {
      if (!stopped && !isNavigation(error)) failed('evaluate', errorText(error));
    }
  }

  /** Where the page load stands, and the next step if it is stuck. */
  async function check() {
    const now = await call(probe, config);
    if (now.state !== null) state(now.state);
    if (stopped || now.attached) return;
    if (now.state === 'UNPAIRED_IDLE' && wantsQr() && Date.now() >= refreshAt) {
      refreshAt = Date.now() + QR_PATIENCE;
      await call(refreshQr);
    }
    if (!now.injected) {
      // a reload's inject failed, and no other navigation will come
      if (initialized && !busy) await library.inject();
      return;
    }
    if (!now.synced || syncing || runSyncEdge === null || Date.now() < load.retryAt) return;
    load.retryAt = Date.now() + 5_000 * 2 ** Math.min(load.retries, 6);
    load.retries += 1;
    await runSyncEdge().catch((error) => {
      if (!isNavigation(error)) failed('inject', `onAppStateHasSyncedEvent: ${errorText(error)}`);
    });
  }

  return {
    /**
     * The library's handler of `change:hasSynced` -> one that runs when the page is synced, once a page load and once at
     * a time. The library's own runs at every change, whatever the value, several at once, and all but one of those die
     * silently.
     * @param {() => Promise<void>} handler
     */
    syncEdge(handler) {
      runSyncEdge = async () => {
        if (syncing || stopped) return;
        syncing = true;
        try {
          const now = await call(probe, config);
          if (!now.synced || now.attached) return;
          await call(forgetHalfAttached);
          await handler();
        } finally {
          syncing = false;
        }
      };
      return runSyncEdge;
    },

    /** Called every few seconds. */
    async check() {
      if (!stopped && !load.attached && client.pupPage) await checkSafely();
    },

    /** initialize() is through: from now on a failed inject is ours to repeat. */
    initialized() {
      initialized = true;
    },

    stop() {
      stopped = true;
    },

    get load() {
      return load;
    },
  };
}

function reloaded() {
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
