// A sweep counts nothing as read of which it cannot know: run in Node, by the page's own functions, on collections of our own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareSweeping } from '../src/page/sweep.js';
import { createRelay } from '../src/relay.js';
import { createSweeper } from '../src/sweep.js';
import { createWire } from '../src/wire.js';
import { chatOf, T } from './support/page-chats.js';

const ANA = '5491155550001@c.us';
const ANA_LID = '88001122334455@lid';
const BETO = '5491155550002@c.us';
const config = /** @type {any} */ ({ namespace: 'leadmasterd_sweep_doubt', groups: false });
const page = /** @type {any} */ (globalThis);

/**
 * A document that has these modules, and the chats of each reading of its collection in turn, the last ones for good.
 * @param {import('node:test').TestContext} context
 * @param {object[][]} chats
 * @param {Record<string, object>} [more]
 */
function loadPage(context, chats, more = {}) {
  /** @type {Record<string, object>} */
  const modules = {
    WAWebCollections: {
      Chat: { getModelsArray: () => (chats.length > 1 ? chats.shift() : chats[0]) },
      Contact: { get: () => undefined },
    },
    WAWebDBMessageFindLocal: { msgFindByDirection: async () => ({ status: 200, messages: [] }) },
    ...more,
  };
  page[config.namespace] = { messageRecord() {} };
  page.require = (/** @type {string} */ name) => modules[name];
  context.after(() => {
    delete page.require;
    delete page[config.namespace];
  });
}

/** @returns a function that sweeps everything since a time once, and tells what came of it */
function listener() {
  /** @type {any[]} */
  let lines = [];
  const wire = createWire({
    write(chunk) {
      lines.push(
        ...chunk
          .trimEnd()
          .split('\n')
          .map((each) => JSON.parse(each)),
      );
      return true;
    },
    once() {},
    writableLength: 0,
  });
  const sweeper = createSweeper({
    wire,
    call: async (source, ...args) =>
      /** @type {any} */ (typeof source === 'string' ? prepareSweeping(config) : source(...args)),
    config,
    relay: createRelay(wire, false),
    ready: () => true,
    loadTime: 1000,
    patience: -1,
    onTrouble() {},
  });
  return async (from = 0) => {
    lines = [];
    await sweeper.run({ type: 'sweep', sweep: 1, from, chats: {}, ignore: [] });
    return {
      ids: lines.flatMap(({ type, id }) => (type === 'message' ? [id.id] : [])),
      through: Object.fromEntries(
        lines.flatMap(({ type, chat, through }) => (type === 'sweep_chat' ? [[chat, through]] : [])),
      ),
      done: lines.at(-1),
    };
  };
}

test('a chat that the page has under another id when its turn comes is in doubt, and read by the next sweep', async (context) => {
  loadPage(context, [[chatOf(ANA, 'MISSED')], [chatOf(ANA_LID, 'MISSED')]]);
  const sweep = listener();
  const first = await sweep();
  assert.deepEqual([first.done.failed, first.ids], [1, []]);
  const second = await sweep();
  assert.deepEqual([second.done.failed, second.done.error, second.ids], [0, null, ['MISSED']]);
});

test('in a build whose chats have no time all of them are read', async (context) => {
  const { t: _, ...undated } = chatOf(ANA, 'MISSED');
  loadPage(context, [[undated]]);
  assert.deepEqual((await listener()(T)).ids, ['MISSED']);
});

test('beside chats with a time one without has nothing to read', async (context) => {
  const { t: _, ...empty } = chatOf(ANA);
  loadPage(context, [[empty, chatOf(BETO, 'MISSED')]]);
  const { ids, done } = await listener()(T);
  assert.deepEqual([ids, done.looked_at], [['MISSED'], 1]);
});

test('a chat of whose person nothing can be told is read all the same', async (context) => {
  const contact = {
    get isBusiness() {
      throw new Error('a defect of the page');
    },
  };
  const Chat = { getModelsArray: () => [chatOf(ANA, 'MISSED')] };
  loadPage(context, [], { WAWebCollections: { Chat, Contact: { get: () => contact } } });
  const { ids, done } = await listener()();
  assert.deepEqual([ids, done.failed, done.error], [['MISSED'], 0, null]);
});

test('a new message is read also where the page cannot say whether it was edited', async (context) => {
  const chat = chatOf(ANA, 'FIRST', 'MISSED');
  const messages = chat.msgs.getModelsArray();
  Object.setPrototypeOf(messages[1], {
    get latestEditSenderTimestampMs() {
      throw new Error('a defect of the page');
    },
  });
  loadPage(context, [[{ ...chat, msgs: { getModelsArray: () => messages } }]]);
  const { ids, done } = await listener()();
  assert.deepEqual([ids, done.failed, done.error], [['FIRST', 'MISSED'], 0, null]);
});

test('a chat of which the disk has nothing though memory has what was stored is paged back', async (context) => {
  const early = { id: { fromMe: false, remote: ANA, id: 'EARLY' }, t: T - 5, type: 'chat' };
  const restored = { ...early, id: { ...early.id, id: 'LATE' }, t: T };
  const state = { noEarlierMsgs: false };
  const chat = { id: ANA, t: T, msgs: { getModelsArray: () => [restored], msgLoadState: state } };
  const loadEarlierMsgs = async () => {
    state.noEarlierMsgs = true;
    return [early];
  };
  loadPage(context, [[chat]], { WAWebChatLoadMessages: { loadEarlierMsgs } });
  const { ids, through, done } = await listener()();
  assert.deepEqual([ids, through, done.read_by, done.failed], [['EARLY', 'LATE'], { [ANA]: T }, 'paging', 0]);
});

test('a chat without an id that can be read fails the sweep, and costs the others nothing', async (context) => {
  const broken = {
    get id() {
      throw new Error('a defect of the page');
    },
  };
  loadPage(context, [[broken, chatOf(ANA, 'READ'), chatOf(null, 'WHOSE')]]);
  const { ids, through, done } = await listener()();
  assert.deepEqual([ids, through, done.failed], [['READ'], { [ANA]: T }, 0]);
  assert.match(done.error, /without an id/);
});

test('two chats of one person, which the page may join, have no time through which they were read', async (context) => {
  const chats = [chatOf(ANA, 'A'), chatOf(ANA_LID, 'L'), chatOf(BETO, 'B')];
  loadPage(context, [chats], {
    WAWebApiContact: { getPhoneNumber: () => ANA, getCurrentLid: () => undefined },
  });
  const { through, done } = await listener()();
  assert.deepEqual(through, { [ANA]: null, [ANA_LID]: null, [BETO]: T });
  assert.deepEqual([done.failed, done.error], [0, null]);
});

test('a delivery that never ends counts as over after five minutes of one document, whatever the clock says', async (context) => {
  let now = 0;
  let jumped = 0;
  context.mock.method(performance, 'now', () => now);
  const began = Date.now();
  context.mock.method(Date, 'now', () => began + now + jumped);
  const receiving = { WAWebCmd: { Cmd: { isOfflineDeliveryEnd: false } } };
  const sweep = listener();
  const isReceiving = async () => {
    const { through, done } = await sweep();
    assert.equal(through[ANA], done.error === null ? T : null);
    return done.error !== null;
  };
  loadPage(context, [[chatOf(ANA, 'M')]], receiving);
  assert.ok(await isReceiving());
  jumped = 3_600_000;
  assert.ok(await isReceiving(), 'our clock was an hour behind');
  now += 301_000;
  loadPage(context, [[chatOf(ANA, 'M')]], receiving);
  assert.ok(await isReceiving(), 'the page was loaded again, and begins anew');
  now += 299_000;
  assert.ok(await isReceiving());
  now += 2_000;
  assert.ok(!(await isReceiving()));
});
