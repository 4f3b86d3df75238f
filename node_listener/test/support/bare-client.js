// The unmodified library in a real browser in front of the stand-in, and the events it emitted, in order.

import { EventEmitter } from 'node:events';
import whatsapp from 'whatsapp-web.js';
import { startStandin } from '../../standin/server.js';
import { launchOptions, makeFolder, removeFolder } from './browser.js';
import { oneBrowser } from './one-browser.js';
import { LIMIT } from './waiting.js';

const { Client, LocalAuth, NoAuth } = whatsapp;

const EVENTS = [
  ...'qr code authenticated ready loading_screen change_state disconnected message message_create'.split(' '),
  ...'message_edit message_revoke_everyone message_revoke_me message_reaction message_ack'.split(' '),
  ...'message_ciphertext message_ciphertext_failed unread_count call vote_update'.split(' '),
];

/** @typedef {{name: string, args: any[]}} Emitted */

export class BareClient extends EventEmitter {
  /** @type {Emitted[]} */
  emitted = [];
  /** @type {string[]} errors of the page, which the library does not show */
  pageErrors = [];
  /** @type {any} the library's own client */
  client;
  /** @type {Promise<unknown>} */
  #injecting = Promise.resolve();
  #stopping = false;

  /** @param {object} options for the library's Client: how it comes to a browser, and whatever else */
  constructor(options) {
    super();
    this.client = new Client({ webVersionCache: { type: 'none' }, ...options });
    // An inject() that the end of the browser cuts off is an unhandledRejection (Client.js:495-504), so stop() waits for it,
    // and failures after that are ignored.
    const inject = this.client.inject.bind(this.client);
    this.client.inject = () => {
      const injecting = inject().catch((/** @type {unknown} */ error) => {
        if (!this.#stopping) throw error;
      });
      this.#injecting = Promise.allSettled([this.#injecting, injecting]);
      return injecting;
    };
    for (const name of EVENTS) {
      this.client.on(name, (/** @type {any[]} */ ...args) => {
        this.emitted.push({ name, args });
        this.emit('emitted');
      });
    }
  }

  async start() {
    try {
      await this.client.initialize();
    } finally {
      // A browser that exits with unread commands resets the pipe. Puppeteer no longer listens to it by then, and without a
      // listener that error ends the process.
      for (const pipe of this.client.pupBrowser?.process()?.stdio ?? []) pipe?.on('error', () => {});
    }
    this.client.pupPage.on('pageerror', (/** @type {Error} */ error) => this.pageErrors.push(error.message));
    return this;
  }

  /** Starts, scans as this phone, and waits for ready. */
  async startLinked(/** @type {any} */ standin, /** @type {object} */ who) {
    await this.start();
    await standin.act('scan', who);
    await this.next('ready');
    return this;
  }

  /** The library's own logout, which ends the browser as `stop` does. */
  async logOut() {
    this.#stopping = true;
    await this.client.logout();
  }

  /** @param {string} name @returns {any[]} the first argument of each such event */
  all(name) {
    return this.emitted.filter((event) => event.name === name).map((event) => event.args[0]);
  }

  /** Forgets what was emitted, so that `next` means a new one. */
  forget() {
    this.emitted = [];
  }

  /**
   * The first event of this name that passes the test, already emitted or within the limit.
   * @param {string} name
   * @param {(...args: any[]) => boolean} [test]
   * @param {number} [limit]
   * @returns {Promise<any[]>} its arguments
   */
  async next(name, test = () => true, limit = LIMIT) {
    const find = () => this.emitted.find((event) => event.name === name && test(...event.args));
    const found = await new Promise((resolve) => {
      const look = () => {
        const event = find();
        if (!event) return;
        clearTimeout(timer);
        this.off('emitted', look);
        resolve(event);
      };
      const timer = setTimeout(() => {
        this.off('emitted', look);
        resolve(null);
      }, limit);
      this.on('emitted', look);
      look();
    });
    if (found) return found.args;
    const names = this.emitted.map((event) => event.name);
    const counts = [...new Set(names)].map((each) => `${names.filter((one) => one === each).length} ${each}`);
    const seen = counts.join(', ') || 'nothing';
    throw new Error(
      `no ${name} within ${limit} ms; emitted: ${seen}; page errors: ${this.pageErrors.join('; ')}`,
    );
  }

  /** Runs in the page. Rejects while there is none. */
  async evaluate(/** @type {any} */ work, /** @type {any[]} */ ...args) {
    return this.client.pupPage.evaluate(work, ...args);
  }

  /** The browser dies at once, as in a crash or an OOM kill, with the script that may have started it. */
  async kill() {
    const child = this.client.pupBrowser.process();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    process.kill(-child.pid, 'SIGKILL');
    await gone;
  }

  async stop() {
    const limit = new Promise((resolve) => setTimeout(resolve, 2000).unref());
    await Promise.race([this.#injecting, limit]);
    this.#stopping = true;
    if (this.client.options.puppeteer.browserWSEndpoint) {
      // destroy() would end the browser of all
      await this.client.pupPage?.close().catch(() => {});
      await this.client.pupBrowser?.disconnect();
    }
    await this.client.destroy().catch(() => {});
  }
}

export const SHOP = { phone: '5491155550100', name: 'Tienda', lid: '990000000100' };

/**
 * Without the listener the library sends when it is told to, so what leaves here is counted apart.
 *
 * A test of the library or of one way plays the old ways, but for those that it names: it must not depend on the default.
 * @param {import('../../standin/options.js').GivenOptions} [options]
 * @returns {import('../../standin/options.js').GivenOptions}
 */
export function withOldWays({ ways = {}, ...others } = {}) {
  return { apart: true, ...others, ways: typeof ways === 'string' ? ways : { side: 'old', ...ways } };
}

/** @typedef {{after: (work: () => Promise<void>) => void}} Context that of a test, or of several tests that share a client */

/**
 * A stand-in for one test, and clients whose pages share one storage in the browser of all tests. What a test does to a
 * browser itself it does to one of its own: setUpAlone.
 * @param {Context} context
 * @param {import('../../standin/options.js').GivenOptions} [options]
 */
export async function setUp(context, options) {
  const { standin, endpoint, onEnd } = await inOneBrowser(context, options);
  /** @param {object} [clientOptions] */
  const newClient = (clientOptions) => {
    const puppeteer = { browserWSEndpoint: endpoint };
    const client = new BareClient({ authStrategy: new NoAuth(), puppeteer, ...clientOptions });
    onEnd(() => client.stop());
    return client;
  };
  return { standin, newClient };
}

/**
 * A stand-in and a page of it, without the library.
 * @param {Context} context
 * @param {import('../../standin/options.js').GivenOptions} options
 * @param {(...args: any[]) => void} [early] runs in each document before its own scripts
 */
export async function openPage(context, options, early) {
  const { standin, browser } = await inOneBrowser(context, options);
  const page = await browser.newPage();
  if (early) await page.evaluateOnNewDocument(early);
  await page.goto('https://web.whatsapp.com/');
  return { standin, page };
}

/**
 * @param {Context} context
 * @param {import('../../standin/options.js').GivenOptions} [options]
 */
async function inOneBrowser(context, options) {
  const { address, browser, clear, endpoint } = await oneBrowser();
  const standin = await startStandin(withOldWays(options), address);
  /** @type {(() => Promise<void>)[]} */
  const ends = [];
  context.after(async () => {
    for (const end of ends) await end();
    await clear();
    await standin.close();
  });
  return {
    standin,
    browser,
    endpoint,
    onEnd: (/** @type {() => Promise<void>} */ end) => void ends.push(end),
  };
}

/**
 * A stand-in for one test, and clients each with a browser of its own, one after another on one profile.
 * @param {Context} context
 * @param {import('../../standin/options.js').GivenOptions} [options]
 */
export async function setUpAlone(context, options) {
  const standin = await startStandin(withOldWays(options));
  const folder = makeFolder('standin');
  /** @type {BareClient[]} */
  const clients = [];
  context.after(async () => {
    for (const client of clients) await client.stop();
    await standin.close();
    await removeFolder(folder);
  });
  const newClient = () => {
    const authStrategy = new LocalAuth({ dataPath: folder });
    const client = new BareClient({ authStrategy, puppeteer: launchOptions(standin.browserArgs) });
    clients.push(client);
    return client;
  };
  return { standin, newClient };
}
