// What a test, or the demo, can make happen: one function for each action of the control interface. README.md has the
// table. Each takes the body of the request and returns what the answer holds besides "ok".

import { crash } from './browsers.js';
import { makeHistory } from './history.js';
import { checkShape } from './options.js';
import { BadRequest, lidText, makeStanza, newStanzaId, underLid, widText } from './stanza.js';

/** @typedef {import('./phone-server.js').PhoneServer} PhoneServer */
/** @typedef {import('./stanza.js').Stanza} Stanza */
/** @typedef {Record<string, any>} Body */
/** @typedef {{phone: PhoneServer, pairing: import('./pairing.js').Pairing, pages: import('./page-server.js').PageServer,
 *   options: import('./options.js').StandinOptions, pagePort: number,
 *   until: (test: () => boolean, limit: number) => Promise<boolean>}} Stage */
/** @typedef {(stage: Stage, body: Body) => object | Promise<object>} Action */

const STATES = new Set(
  (
    'CONFLICT CONNECTED DEPRECATED_VERSION OPENING PAIRING PROXYBLOCK SMB_TOS_BLOCK TIMEOUT TOS_BLOCK ' +
    'UNLAUNCHED UNPAIRED UNPAIRED_IDLE'
  ).split(' '),
);
const HOLDS = new Set(['opening', 'debug', 'synced', 'progress', 'stored', 'acknowledged']);

/** @param {Stage} stage */
function accountOf({ phone }) {
  if (!phone.account) throw new BadRequest('cannot do this before a phone was linked: scan first');
  return phone.account;
}

/**
 * @param {Stage} stage
 * @param {unknown} id
 * @returns {Stanza}
 */
function known(stage, id) {
  for (const stanza of accountOf(stage).log.values()) if (stanza.id === id) return stanza;
  throw new BadRequest(`cannot find a message with the id ${JSON.stringify(id)}`);
}

const now = () => Math.floor(Date.now() / 1000);

/**
 * @param {Stage} stage
 * @param {Body} body
 */
async function link(stage, { phone, name, lid, platform, history }) {
  const digits = String(phone ?? '').replace(/^\+|@.*/g, '');
  if (!/^\d{6,}$/.test(digits))
    throw new BadRequest("cannot link without `phone`, digits with the country's code");
  const page = stage.pairing.page;
  if (!page) throw new BadRequest('cannot link: no page shows a QR');
  const account = stage.phone.registerAccount({ phone: digits, name, lid, platform });
  const device = stage.phone.link(account, makeHistory(history, account));
  const me = { phone: account.phone, lid: account.lid, name: account.name, platform: account.platform };
  stage.pairing.end();
  page.send({ kind: 'paired', session: { token: device.token, me } });
  return { account: me };
}

/**
 * @param {Stage} stage
 * @param {Body} body
 * @param {boolean} fromMe
 */
async function deliver(stage, body, fromMe) {
  const account = accountOf(stage);
  const { count = 1, spread = 1, t_step = 0 } = body;
  const ids = [];
  for (let index = 0; index < count; index += 1) {
    const each = { ...body };
    if (count > 1 && body.id) each.id = `${body.id}-${index + 1}`;
    if (typeof body.body === 'string') each.body = body.body.replaceAll('{n}', String(index + 1));
    if (typeof body.t === 'number') each.t = body.t + index * t_step;
    if (spread > 1)
      each.from = String(BigInt(String(body.from).replace(/\D.*/, '')) + BigInt(index % spread));
    const stanza = address(stage, makeStanza(each, account, fromMe), each);
    stage.phone.deliver(account, stanza);
    ids.push(stanza.id);
  }
  const last = ids[ids.length - 1];
  const acknowledged =
    typeof body.wait === 'number' && (await stage.until(() => !isQueued(stage, last), Number(body.wait)));
  return { ids, acknowledged };
}

/**
 * @param {Stage} stage
 * @param {string} id
 */
const isQueued = ({ phone }, id) => Boolean(phone.device?.queue.some((item) => item.id === id));

/**
 * A direct message of somebody with a @lid comes under the @lid, and the page learns the mapping, unless it is said
 * otherwise.
 * @param {Stage} stage
 * @param {Stanza} stanza
 * @param {Body} body
 * @returns {Stanza}
 */
function address(stage, stanza, { lid, unmapped, addressing }) {
  if (!lid) return stanza;
  const account = accountOf(stage);
  const wid = lidText(lid);
  const phone = stanza.fromMe ? stanza.to : (stanza.author ?? stanza.from);
  const card = { ...account.contacts.get(phone), phone, lid: wid };
  account.contacts.set(phone, card);
  if (!unmapped) stage.phone.enqueue(account, { kind: 'contact', card });
  if (addressing === 'pn' || stanza.author) return stanza;
  return underLid(stanza, wid, account);
}

/**
 * @param {Stage} stage
 * @param {object} happening
 */
function tell(stage, happening) {
  stage.phone.enqueue(accountOf(stage), /** @type {import('./phone-server.js').Happening} */ (happening));
  return {};
}

/**
 * Whether the page that was loaded last has its stream: one that is gone may seem connected for a moment more.
 * @param {Stage} stage
 */
export function isConnected({ phone, pages }) {
  return phone.connection !== null && phone.connection.page === pages.page.id;
}

/** @type {Record<string, Action>} */
export const ACTIONS = {
  async scan(stage, body) {
    await stage.until(() => stage.pairing.page !== null, body.wait ?? 10_000);
    if (body.qr && !String(body.qr).startsWith(`${stage.pairing.ref},`)) {
      throw new BadRequest('cannot scan this QR: it is not the one that is shown now');
    }
    return await link(stage, body);
  },
  async pair(stage, body) {
    await stage.until(() => stage.pairing.code !== null, body.wait ?? 10_000);
    const { code, codePhone } = stage.pairing;
    if (!code) throw new BadRequest('cannot pair: no page has asked for a code');
    if (body.code && body.code !== code)
      throw new BadRequest(`cannot pair with ${body.code}: it is not the code shown`);
    return await link(stage, { phone: codePhone, ...body });
  },
  rotate_qr(stage) {
    if (!stage.pairing.page) throw new BadRequest('cannot rotate: no page shows a QR');
    stage.pairing.rotate();
    return { qr_ref: stage.pairing.ref };
  },

  deliver: (stage, body) => deliver(stage, body, false),
  own: (stage, body) => deliver(stage, body, true),
  ciphertext: (stage, body) => deliver(stage, { ...body, type: 'ciphertext' }, false),
  decrypt(stage, { id, body, type = 'chat', ...fields }) {
    const stanza = known(stage, id);
    Object.assign(stanza, fields, { type, body });
    return tell(stage, { kind: 'decrypt', stanza: id, fields: { ...fields, type, body } });
  },
  edit(stage, { id, body, at = Date.now() }) {
    known(stage, id).body = body;
    return tell(stage, { kind: 'edit', stanza: id, body, at });
  },
  revoke(stage, { id, scope = 'everyone', t = now() }) {
    if (scope !== 'everyone' && scope !== 'me')
      throw new BadRequest('cannot revoke: `scope` is everyone or me');
    known(stage, id);
    return tell(stage, { kind: 'revoke', stanza: id, scope, t });
  },
  react(stage, { id, emoji, from, from_me = false, t = now() }) {
    const stanza = known(stage, id);
    const account = accountOf(stage);
    const other = from ? widText(from, 'from') : (stanza.author ?? stanza.remote);
    const sender = from_me ? `${account.phone}@c.us` : other;
    const reactionId = newStanzaId();
    tell(stage, { kind: 'react', stanza: id, emoji: emoji ?? '', sender, fromMe: from_me, t, reactionId });
    return { reaction_id: reactionId };
  },
  ack(stage, { id, ack }) {
    known(stage, id);
    return tell(stage, { kind: 'ack', stanza: id, ack });
  },
  vote(stage, { id, from, options = [], t = now() }) {
    const stanza = known(stage, id);
    return tell(stage, {
      kind: 'vote',
      stanza: id,
      sender: from ? widText(from, 'from') : stanza.from,
      options,
      t,
    });
  },
  call(
    stage,
    { from, outgoing = false, answered = false, video = false, id = newStanzaId(), log = true, t = now() },
  ) {
    const peer = widText(from, 'from');
    const call = {
      id,
      peerJid: peer,
      isVideo: video,
      isGroup: false,
      outgoing,
      offerTime: t,
      participants: [],
    };
    const rings = { canHandleLocally: false, webClientShouldHandle: false };
    const state = outgoing ? 'OUTGOING_RING' : 'INCOMING_RING';
    const ends = answered ? 'HANDLED_REMOTELY' : 'NOT_ANSWERED';
    tell(stage, { kind: 'call', call: { ...call, ...rings, state }, ends });
    if (log) {
      const line = {
        type: 'call_log',
        t,
        isVideoCall: video,
        callOutcome: answered ? 'Completed' : 'Missed',
      };
      const stanza = makeStanza({ ...line, [outgoing ? 'to' : 'from']: peer }, accountOf(stage), outgoing);
      stage.phone.deliver(accountOf(stage), { ...stanza, callDuration: answered ? 30 : 0 });
    }
    return { call_id: id };
  },
  contact(stage, { phone, lid, server_only, ...card }) {
    const account = accountOf(stage);
    const wid = widText(phone, 'phone');
    const lidWid = lid && { lid: lidText(lid) };
    const full = { ...account.contacts.get(wid), ...card, ...lidWid, phone: wid };
    account.contacts.set(wid, full);
    if (!server_only) tell(stage, { kind: 'contact', card: full });
    return {};
  },
  async same(stage, { id, times = 1, lid }) {
    const stanza = known(stage, id);
    if (lid) {
      const account = accountOf(stage);
      stage.phone.deliver(account, underLid(stanza, lidText(lid), account));
    }
    return { done: await stage.pages.command('same', { id, remote: stanza.remote, times }) };
  },

  async state(stage, { state }) {
    if (!STATES.has(state))
      throw new BadRequest(`cannot set the state ${state}; known: ${[...STATES].join(', ')}`);
    if (state === 'UNPAIRED_IDLE') stage.pairing.stopRotating();
    return { done: await stage.pages.command('state', { state }) };
  },
  async logout(stage, { reason = 0 }) {
    const { device } = stage.phone;
    if (!device) throw new BadRequest('cannot log out: no device is linked');
    stage.phone.unlink(device, reason);
    const { connection } = stage.phone;
    if (connection?.token !== device.token) return { done: false };
    return { done: await stage.pages.command('logout', { reason }) };
  },
  async reload(stage, { synced = false }) {
    stage.pages.syncedOnce = synced;
    return { done: await stage.pages.command('reload') };
  },
  offline(stage, { all = false }) {
    stage.pages.offline = all ? 'all' : 'stream';
    stage.pages.cut();
    return {};
  },
  online(stage) {
    stage.pages.offline = false;
    return {};
  },
  async hang(stage, { ms = null }) {
    return { done: await stage.pages.command('hang', { ms }) };
  },
  crash(stage, { what = 'renderer' }) {
    if (what !== 'renderer' && what !== 'browser')
      throw new BadRequest('cannot crash: `what` is renderer or browser');
    const killed = crash(stage.pagePort, what);
    if (killed.length === 0) throw new BadRequest(`cannot crash: no ${what} of ours was found`);
    return { killed };
  },
  async deaf(stage) {
    return { done: await stage.pages.command('deaf') };
  },
  async undeaf(stage) {
    return { done: await stage.pages.command('undeaf') };
  },
  async throw(stage, { message = 'thrown by the stand-in' }) {
    return { done: await stage.pages.command('throw', { message }) };
  },
  async navigate(stage, { kind = 'pushState' }) {
    if (kind !== 'pushState' && kind !== 'iframe')
      throw new BadRequest('cannot navigate: `kind` is pushState or iframe');
    return { done: await stage.pages.command('navigate', { kind }) };
  },
  async hold(stage, { phase }) {
    if (!HOLDS.has(phase)) throw new BadRequest(`cannot hold ${phase}; known: ${[...HOLDS].join(', ')}`);
    stage.pages.holds.add(phase);
    const now = phase === 'stored' || phase === 'acknowledged';
    return { done: now && stage.phone.connection !== null && (await stage.pages.command('hold', { phase })) };
  },
  async release(stage, { phase }) {
    if (phase) stage.pages.holds.delete(phase);
    else stage.pages.holds.clear();
    return { done: stage.phone.connection !== null && (await stage.pages.command('release', { phase })) };
  },
  missing(stage, { modules = [] }) {
    stage.pages.missing = modules;
    return {};
  },
  key_shape(stage, { shape, wid_shape }) {
    if (shape) stage.options.keyShape = checkShape(shape);
    if (wid_shape) stage.options.widShape = checkShape(wid_shape);
    return {};
  },
  slow(stage, { ms = 0 }) {
    stage.pages.delay = ms;
    return {};
  },
  async wait(stage, { for: what, limit = 10_000, loads = 1 }) {
    const tests = /** @type {Record<string, () => boolean>} */ ({
      qr: () => stage.pairing.page !== null,
      code: () => stage.pairing.code !== null,
      connected: () => isConnected(stage),
      disconnected: () => !isConnected(stage),
      synced: () => isConnected(stage) && stage.pages.page.synced,
      drained: () => stage.phone.device?.queue.length === 0,
      loads: () => stage.pages.loads >= loads,
    });
    if (!tests[what])
      throw new BadRequest(`cannot wait for ${what}; known: ${Object.keys(tests).join(', ')}`);
    if (!(await stage.until(tests[what], limit)))
      throw new BadRequest(`waited ${limit} ms in vain for ${what}`);
    return {};
  },
};
