// The HTTPS side that the browser knows as web.whatsapp.com: serves the page, streams to it, and receives and records its
// reports. Also holds the settings for the next page load.

import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { HistoryChunks } from './history-chunks.js';
import { noteWrite } from './ledger.js';

/** @typedef {import('node:http').IncomingMessage} Request */
/** @typedef {import('node:http').ServerResponse} Response */
/** @typedef {import('./phone-server.js').PhoneServer} PhoneServer */
/** @typedef {import('./phone-server.js').Connection} Connection */
/** @typedef {import('./pairing.js').Pairing} Pairing */
/** @typedef {import('./options.js').StandinOptions} StandinOptions */
/** @typedef {{code: number, until: number, about: Record<string, unknown>}} Failure `until` in milliseconds since 1970 */
/** @typedef {{kind: string, page: string, token: string | null, [field: string]: any}} Report */

const PAGE = new URL('./page/', import.meta.url);
const TYPES = /** @type {Record<string, string>} */ ({ html: 'text/html', js: 'text/javascript' });

export class PageServer extends EventEmitter {
  /** Pages served so far. */
  loads = 0;
  /** The page's last report about itself. */
  page = { id: '', state: '', stream: '', synced: false };
  /** "stream": the page loads but can't connect. "all": there is no network. */
  offline = /** @type {false | 'stream' | 'all'} */ (false);
  /** Module names that do not exist from the next load on. */
  missing = /** @type {string[]} */ ([]);
  /** Phases to stop at; see README.md. */
  holds = /** @type {Set<string>} */ (new Set());
  /** Faults of reading back: each with the ids of the chats that have it, or `all`. */
  readFaults = /** @type {Record<string, string[]>} */ ({
    load_fails: [],
    load_404: [],
    find_fails: [],
    no_end: [],
  });
  /** The account is refused at each connect, until `until`: code, and what the page is told. @type {Failure | null} */
  failure = null;
  /** So many of the next connections are replaced by another one, each after a second. */
  replacements = 0;
  /** The next load comes back synced before anything can attach. */
  syncedOnce = false;
  /** Acknowledgements get lost, so everything is sent again at the next connection. */
  losesAcks = false;
  /** Dialogs shown, and the button of each that was clicked. */
  dialogs = /** @type {{text: string, clicked: string | null}[]} */ ([]);
  /** Extra milliseconds before the page, each line of its stream and each answer. */
  delay = 0;
  /** What the page reported that it did. */
  records = {
    sent: /** @type {object[]} */ ([]),
    presence: /** @type {object[]} */ ([]),
    requests: /** @type {object[]} */ ([]),
    queries: /** @type {object[]} */ ([]),
  };
  /** @type {{n: number, name: string, given: object, done: () => void}[]} commands not yet done */
  commands = [];
  #nextCommand = 1;
  #phone;
  #pairing;
  #options;

  /**
   * @param {PhoneServer} phone
   * @param {Pairing} pairing
   * @param {StandinOptions} options
   */
  constructor(phone, pairing, options) {
    super();
    this.#phone = phone;
    this.#pairing = pairing;
    this.#options = options;
    this.chunks = new HistoryChunks(phone, options);
  }

  /**
   * Answers the requests of a server from now on.
   * @param {import('node:https').Server} server
   * @returns {() => void} no longer answers there, and cuts every connection
   */
  answerAt(server) {
    /** @type {(request: Request, response: Response) => void} */
    const answer = (request, response) => {
      this.#answer(request, response).catch((error) => {
        response.writeHead(500).end(String(error));
      });
    };
    server.on('request', answer);
    return () => {
      this.chunks.end();
      server.off('request', answer);
      server.closeAllConnections();
    };
  }

  /**
   * Has the page carry out a command, now or when it connects next.
   * @param {string} name
   * @param {object} [given]
   * @param {{limit?: number, kept?: boolean}} [how] limit: milliseconds to wait for the page, 0 for not
   *   at all; kept: false for what the next connection learns in another way
   * @returns {Promise<boolean>} whether the page has done it; false as soon as the page is gone
   */
  async command(name, given = {}, { limit = 10_000, kept = true } = {}) {
    const { connection } = this.#phone;
    if (!connection && !kept) return false;
    /** @type {(answer: boolean) => void} */
    let answer = () => {};
    const answered = new Promise((resolve) => {
      answer = resolve;
    });
    const command = { n: this.#nextCommand++, name, given, done: () => answer(true) };
    this.commands.push(command);
    if (!connection) return false;
    connection.send({ kind: 'command', ...command });
    if (limit === 0) return false; // a timer of 0 ms may lose to a quick page
    const timer = setTimeout(() => answer(false), limit);
    const endIfGone = () => {
      if (this.#phone.connection !== connection) answer(false);
    };
    this.#phone.on('change', endIfGone);
    const done = await answered;
    clearTimeout(timer);
    this.#phone.off('change', endIfGone);
    if (!kept) this.commands = this.commands.filter((each) => each !== command);
    return done;
  }

  /**
   * Drops commands of this name that no page has done: a page that was killed first never says so.
   * @param {string} name
   */
  forget(name) {
    this.commands = this.commands.filter((command) => command.name !== name);
  }

  /** Cuts the page's stream. The page reports TIMEOUT and tries again. */
  cut() {
    this.#phone.connection?.close();
  }

  /**
   * @param {Request} request
   * @param {Response} response
   */
  async #answer(request, response) {
    const url = new URL(request.url ?? '/', 'https://web.whatsapp.com');
    if (this.offline === 'all') return void request.socket.destroy();
    if (this.delay > 0) await new Promise((resolve) => setTimeout(resolve, this.delay));
    if (url.pathname === '/') return await this.#servePage(response);
    if (url.pathname === '/standin/stream') return this.#openStream(url, response);
    if (url.pathname === '/standin/history') return this.#serveHistory(url, response);
    if (url.pathname === '/standin/report') return await this.#takeReport(request, response);
    const file = /^\/standin\/([a-z]+\.(js|html))$/.exec(url.pathname);
    if (!file) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[file[2]], 'cache-control': 'no-store' });
    response.end(await readFile(new URL(file[1], PAGE)));
  }

  /** Serves the page, with the settings of this load in it. @param {Response} response */
  async #servePage(response) {
    this.loads += 1;
    this.page = { id: '', state: '', stream: '', synced: false };
    const holds = [...this.holds, ...(this.syncedOnce ? ['synced'] : [])];
    this.syncedOnce = false;
    const { pagePort, controlPort, qrFirst, qrPeriod, apart, ...forPage } = this.#options;
    const config = { ...forPage, holds, missing: this.missing, readFaults: this.readFaults };
    const html = await readFile(new URL('index.html', PAGE), 'utf8');
    response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'no-store' });
    response.end(html.replace('{{config}}', () => JSON.stringify(config).replaceAll('<', '\\u003c')));
    this.emit('change');
  }

  /**
   * Opens the stream of a page, over which the server talks to it until it closes; or refuses it.
   * @param {URL} url
   * @param {Response} response
   */
  #openStream(url, response) {
    if (this.offline) return void response.writeHead(503).end();
    const token = url.searchParams.get('token');
    if (token && this.#refuseAccount(token, response)) return;
    const reason = token && this.#phone.refuses(token);
    if (typeof reason === 'number') {
      response.writeHead(401, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify({ reason }));
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    response.flushHeaders();
    let turn = Promise.resolve();
    let waiting = 0;
    /** @type {Connection} */
    const connection = {
      page: url.searchParams.get('page') ?? '',
      token,
      close: () => response.destroy(),
      send: (line) => {
        const write = () => void response.write(`${JSON.stringify(line)}\n`);
        // in order, also when the delay has ended: an edit never precedes its message
        if (this.delay === 0 && waiting === 0) return write();
        const { delay } = this;
        waiting += 1;
        turn = turn
          .then(() => new Promise((resolve) => setTimeout(resolve, delay)))
          .then(() => {
            waiting -= 1;
            write();
          });
      },
    };
    response.on('close', () => {
      this.#phone.disconnect(connection);
      this.#pairing.end(connection);
    });
    connection.send({ kind: 'held', phases: [...this.holds] }); // they may have changed since the page was loaded
    this.#phone.connect(connection, this.#options.ways.second_page);
    this.chunks.next();
    if (token && this.replacements > 0) {
      this.replacements -= 1;
      setTimeout(() => connection.send({ kind: 'replaced' }), 1000).unref();
    }
    if (!token) this.#pairing.begin(connection);
    for (const command of this.commands) connection.send({ kind: 'command', ...command });
  }

  /**
   * Answers with the failure that is set for the account, if there is one. A ban for good unlinks the device.
   * @param {string} token
   * @param {Response} response
   * @returns {boolean} whether the answer was a failure
   */
  #refuseAccount(token, response) {
    const device = this.#phone.devices.get(token);
    if (!device || !this.failure || this.failure.until <= Date.now()) return false;
    const { code, until, about } = this.failure;
    // the page is told how many seconds are left (WAWebTempBanScreen)
    const expire = code === 402 ? { expire: Math.ceil((until - Date.now()) / 1000) } : {};
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    response.end(`${JSON.stringify({ kind: 'failure', code, about: { ...about, ...expire } })}\n`);
    if (code === 403 || code === 406) {
      this.failure = null;
      this.#phone.unlink(device, code);
    }
    return true;
  }

  /**
   * @param {URL} url
   * @param {Response} response
   */
  #serveHistory(url, response) {
    const device = this.#phone.devices.get(url.searchParams.get('token') ?? '');
    response.writeHead(device ? 200 : 401, { 'content-type': 'application/json' });
    const contacts = [...(device?.account.contacts.values() ?? [])];
    response.end(JSON.stringify({ ...(device && this.chunks.begin(device)), contacts }));
  }

  /**
   * @param {Request} request
   * @param {Response} response
   */
  async #takeReport(request, response) {
    let text = '';
    for await (const chunk of request) text += chunk;
    if (this.offline) return void response.writeHead(503).end();
    const answer = this.#hear(JSON.parse(text));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
    this.emit('change');
  }

  /**
   * Takes a report of a page: records it, or does what follows from it.
   * @param {Report} report
   * @returns {object} the answer to the page
   */
  #hear({ kind, page, token, ...said }) {
    const record = { ...said, at: Date.now() };
    if (kind === 'sent' || kind === 'presence') this.#note(said);
    const device = this.#phone.devices.get(token ?? '');
    switch (kind) {
      case 'ack':
        if (this.losesAcks) return {};
        this.#phone.acknowledge(token ?? '', said.numbers);
        return {};
      case 'done':
        for (const command of this.commands) if (command.n === said.n) command.done();
        this.commands = this.commands.filter((command) => command.n !== said.n);
        return {};
      case 'state':
        this.page = { id: page, state: said.state, stream: said.stream, synced: said.synced };
        return {};
      case 'history_done':
        if (device) Object.assign(device, { historyDue: false, history: [] });
        this.chunks.next();
        return {};
      case 'chunk_done':
        if (device) this.chunks.done(device, said.n);
        return {};
      case 'unlink':
        if (device) this.#phone.unlink(device, said.reason);
        return {};
      case 'sent':
        this.records.sent.push(record);
        if (said.function === 'Socket.logout' && device) {
          this.#phone.unlink(device, 0);
          void this.command('logout', { reason: 0 }, { kept: false });
        }
        return {};
      case 'presence':
        this.records.presence.push(record);
        return {};
      case 'request':
        this.records.requests.push(record);
        return {};
      case 'query':
        this.records.queries.push(record);
        return { contact: this.#lookUp(device, said.arguments?.[0]) };
      case 'pairing_code':
        return { code: this.#pairing.makeCode(String(said.phone)) };
      case 'dialog':
        this.dialogs[said.number].clicked = said.button;
        return {};
      case 'refresh_qr':
        this.#pairing.renew();
        return {};
      case 'passkey': {
        const { ceremony } = this.#pairing;
        if (said.step === 'cancelled') this.#pairing.ceremony = null;
        else if (ceremony) ceremony.step = said.step;
        return {};
      }
      default:
        throw new Error(`unknown report ${kind}`);
    }
  }

  /** Notes for the test run what was sent, and by whom (ledger.js). @param {Record<string, any>} said */
  #note({ module, function: name }) {
    const by = this.#options.apart ? 'apart' : module === 'page' ? 'page' : 'listener';
    noteWrite({ by, module, function: name });
  }

  /**
   * The contact of an account with this phone or LID.
   * @param {import('./phone-server.js').Device | undefined} device
   * @param {unknown} id
   */
  #lookUp(device, id) {
    const cards = [...(device?.account.contacts.values() ?? [])];
    return cards.find((card) => card.phone === id || card.lid === id);
  }
}
