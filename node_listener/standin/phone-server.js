// The half of WhatsApp that is not in the browser: accounts (phones), the devices linked to them, and a queue for each
// device that keeps everything until the device acknowledges it. No HTTP here: page-server.js brings the connections,
// control.js the events.

import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { lidText } from './stanza.js';

/** @typedef {import('./stanza.js').Stanza} Stanza */
/** @typedef {{phone: string, lid?: string | null, name?: string | null, saved?: string | null, business?: boolean,
 *   verified_name?: string | null}} ContactCard */
/** @typedef {{kind: string, id?: string, [field: string]: unknown}} Happening something that devices must learn */
/** @typedef {Happening & {n: number}} Item a happening in one device's queue */
/** @typedef {{phone: string, lid: string | null, name: string, platform: string, log: Map<string, Stanza>,
 *   contacts: Map<string, ContactCard>}} Account */
/** @typedef {{token: string, account: Account, queue: Item[], next: number, acknowledged: string[],
 *   historyDue: boolean, history: Stanza[], chunks: {n: number, stanzas: Stanza[]}[]}} Device */
/** @typedef {{page: string, token: string | null, send: (line: object) => void, close: () => void}} Connection */

export class PhoneServer extends EventEmitter {
  /** @type {Map<string, Account>} by phone */
  accounts = new Map();
  /** @type {Map<string, Device>} by token */
  devices = new Map();
  /** @type {Map<string, number>} tokens that were logged out, with the reason */
  unlinked = new Map();
  /** @type {Connection | null} the page that connected last */
  connection = null;
  /** @type {Account | null} the account that was linked last */
  account = null;
  /** @type {Device | null} the device that was linked last, while it is linked */
  device = null;

  constructor() {
    super();
    this.setMaxListeners(0); // every command that waits for the page is one
  }

  /**
   * @param {{phone: string, lid?: string | null, name?: string, platform?: string}} who
   * @returns {Account} a phone that scans again is the same account, with all it has received
   */
  registerAccount(who) {
    const known = this.accounts.get(who.phone);
    const account = known ?? {
      phone: who.phone,
      lid: null,
      name: 'Tienda',
      platform: 'android',
      log: new Map(),
      contacts: new Map(),
    };
    if (who.lid) account.lid = lidText(who.lid);
    if (who.name) account.name = who.name;
    if (who.platform) account.platform = who.platform;
    this.accounts.set(who.phone, account);
    return account;
  }

  /**
   * Links a new device to an account.
   * @param {Account} account
   * @param {Stanza[]} history older messages the phone hands to a new device, besides those it received here
   * @returns {Device}
   */
  link(account, history) {
    const token = randomBytes(16).toString('hex');
    const fullHistory = [...history, ...account.log.values()];
    for (const stanza of history) account.log.set(logKey(stanza), stanza);
    const due = { historyDue: true, history: fullHistory, chunks: [] };
    this.device = { token, account, queue: [], next: 1, acknowledged: [], ...due };
    this.account = account;
    this.devices.set(token, this.device);
    this.emit('change');
    return this.device;
  }

  /**
   * @param {Device} device
   * @param {number} reason WhatsApp's own number, which ends in the address of the page (`logout_reason=N`)
   */
  unlink(device, reason) {
    this.devices.delete(device.token);
    this.unlinked.set(device.token, reason);
    if (this.device === device) this.device = null;
    this.emit('change');
  }

  /**
   * @param {string} token
   * @returns {number | null} the reason for which this device is no longer linked, or null when it is
   */
  refuses(token) {
    return this.devices.has(token) ? null : (this.unlinked.get(token) ?? 0);
  }

  /**
   * A page opens its stream. Everything it has not acknowledged is sent again, in order.
   * @param {Connection} connection
   * @param {'conflict' | 'replaced'} [toOlder] what an older page with the same session hears
   */
  connect(connection, toOlder = 'conflict') {
    const device = connection.token ? this.devices.get(connection.token) : undefined;
    const before = this.connection;
    this.connection = connection;
    if (device) {
      // One connection per device: the older page's ends.
      if (before?.token === connection.token && before.page !== connection.page)
        before.send({ kind: toOlder });
      const { account } = device;
      connection.send({
        kind: 'hello',
        me: { phone: account.phone, lid: account.lid, name: account.name, platform: account.platform },
        history: device.historyDue,
        offline: device.queue.length,
      });
      for (const item of device.queue) connection.send({ kind: 'item', item: { ...item, offline: true } });
    }
    this.emit('change');
  }

  /** @param {Connection} connection */
  disconnect(connection) {
    if (this.connection === connection) this.connection = null;
    this.emit('change');
  }

  /**
   * Queues something for every device of the account, and sends it to the connected one.
   * @param {Account} account
   * @param {Happening} happening
   */
  enqueue(account, happening) {
    for (const device of this.devices.values()) {
      if (device.account !== account) continue;
      const item = { ...happening, n: device.next++ };
      device.queue.push(item);
      if (this.connection?.token === device.token) this.connection.send({ kind: 'item', item });
    }
    this.emit('change');
  }

  /**
   * A message has come for the account: every device is to get it.
   * @param {Account} account
   * @param {Stanza} stanza
   */
  deliver(account, stanza) {
    // The phone's own copy changes with an edit or a revocation; what is queued stays as it was sent.
    account.log.set(logKey(stanza), { ...stanza });
    this.enqueue(account, { kind: 'message', id: stanza.id, stanza });
  }

  /**
   * @param {Account} account
   * @param {Stanza} stanza
   * @returns {Stanza | undefined} the phone's own copy, with all later changes; undefined when it was deleted
   */
  current(account, stanza) {
    return account.log.get(logKey(stanza));
  }

  /**
   * Deletes a message on the phone: a device linked later never gets it.
   * @param {Account} account
   * @param {Stanza} stanza
   */
  forget(account, stanza) {
    account.log.delete(logKey(stanza));
  }

  /**
   * A device has stored these items of its queue.
   * @param {string} token
   * @param {number[]} numbers
   */
  acknowledge(token, numbers) {
    const device = this.devices.get(token);
    if (!device) return;
    const done = new Set(numbers);
    for (const item of device.queue) {
      if (done.has(item.n) && item.id) device.acknowledged.push(item.id);
    }
    device.queue = device.queue.filter((item) => !done.has(item.n));
    this.emit('change');
  }
}

/**
 * @param {Stanza} stanza
 * @returns {string} one entry per message, whichever identity it came under
 */
function logKey(stanza) {
  return `${stanza.fromMe}_${stanza.id}_${stanza.remote}`;
}
