// Faults: states, logouts, lost networks, crashes, stalled delivery, and pages that come back different.

import { crash } from '../browsers.js';
import { checkShape } from '../options.js';
import { BadRequest } from '../stanza.js';
import { checkWay, WAYS } from '../ways.js';

/** @typedef {import('./stage.js').Action} Action */

const STATES = new Set(
  (
    'CONFLICT CONNECTED DEPRECATED_VERSION OPENING PAIRING PROXYBLOCK SCREEN_LOCKED SMB_TOS_BLOCK TIMEOUT ' +
    'TOS_BLOCK UNLAUNCHED UNPAIRED UNPAIRED_IDLE'
  ).split(' '),
);
const STREAMS = new Set(['CONNECTED', 'DISCONNECTED', 'RESUMING', 'SYNCING']);
const SCREENS = new Set(['temp_ban', 'unavailable', 'logout', 'locked', 'offline']);
const FAILURES = new Set([402, 403, 406, 503]);
const HOLDS = new Set(['opening', 'debug', 'synced', 'progress', 'stored', 'acknowledged']);

/**
 * @param {import('./stage.js').Stage} stage
 * @param {string} name
 * @param {import('../ways.js').Value} value one that checkWay() knows
 * @returns {Promise<boolean>} whether the open page has it; false for a way that waits for the next load
 */
async function setWay(stage, name, value) {
  Object.assign(stage.options.ways, { [name]: value });
  const atOnce = 'atOnce' in WAYS[/** @type {import('../ways.js').WayName} */ (name)];
  return atOnce && (await stage.pages.command('way', { name, value }, { kept: false }));
}

/** @type {Record<string, Action>} by name; README.md says what each does and what its body holds */
export const FAULTS = {
  async state(stage, { state }) {
    if (!STATES.has(state))
      throw new BadRequest(`cannot set the state ${state}; known: ${[...STATES].join(', ')}`);
    if (state === 'UNPAIRED_IDLE') stage.pairing.stopRotating();
    stage.pages.forget('state');
    return { done: await stage.pages.command('state', { state }) };
  },
  async stream(stage, { stream }) {
    if (!STREAMS.has(stream))
      throw new BadRequest(`cannot set the stream ${stream}; known: ${[...STREAMS].join(', ')}`);
    return { done: await stage.pages.command('stream', { stream }, { kept: false }) };
  },
  replaced(stage, { again = 0 }) {
    const { connection } = stage.phone;
    if (!connection?.token) throw new BadRequest('cannot replace: no linked page is connected');
    stage.pages.replacements = again;
    connection.send({ kind: 'replaced' });
    return {};
  },
  failure(stage, { code, expire = 3600, ...about }) {
    if (code !== null && !FAILURES.has(code))
      throw new BadRequest(`cannot fail with ${code}; known: ${[...FAILURES].join(', ')}, null`);
    const until = Date.now() + expire * 1000;
    stage.pages.failure = code && { code, until, about: code === 402 ? { code: 101, ...about } : about };
    if (code) stage.pages.cut();
    return {};
  },
  async screen(stage, { name, on = true }) {
    if (!SCREENS.has(name))
      throw new BadRequest(`cannot show the screen ${name}; known: ${[...SCREENS].join(', ')}`);
    return { done: await stage.pages.command('screen', { name, on }, { kept: false }) };
  },
  history_late(stage, { seconds = 0 }) {
    stage.pages.chunks.hold(seconds);
    return {};
  },
  async logout(stage, { reason = 0 }) {
    const { device } = stage.phone;
    if (!device) throw new BadRequest('cannot log out: no device is linked');
    stage.phone.unlink(device, reason);
    const { connection } = stage.phone;
    if (connection?.token !== device.token) return { done: false };
    // a page that does not get this is refused at its next connection
    return { done: await stage.pages.command('logout', { reason }, { kept: false }) };
  },
  async resync(stage) {
    return { done: await stage.pages.command('resync') };
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
  lose_acks(stage, { on = true }) {
    stage.pages.losesAcks = on;
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
  async dialog(stage, { text = "What's new on WhatsApp Web", button = 'Continue', others = [], ms = null }) {
    const shown = { text, clicked: /** @type {string | null} */ (null) };
    const number = stage.pages.dialogs.push(shown) - 1;
    const done = await stage.pages.command('dialog', { number, text, buttons: [...others, button] });
    const unlink = () => {
      if (shown.clicked !== button && stage.phone.device) void FAULTS.logout(stage, { reason: 0 });
    };
    if (typeof ms === 'number') setTimeout(unlink, ms).unref();
    return { done };
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
    return { done: now && (await stage.pages.command('hold', { phase }, { kept: false })) };
  },
  async release(stage, { phase }) {
    if (phase) stage.pages.holds.delete(phase);
    else stage.pages.holds.clear();
    return { done: await stage.pages.command('release', { phase }, { kept: false }) };
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
  async way(stage, { name, value }) {
    return { done: await setWay(stage, name, checkWay(name, value)) };
  },
  ways(stage, named) {
    for (const [name, value] of Object.entries(named)) checkWay(name, value); // all of them, or none
    for (const [name, value] of Object.entries(named)) void setWay(stage, name, value);
    return {};
  },
  slow(stage, { ms = 0 }) {
    stage.pages.delay = ms;
    return {};
  },
};
