// WhatsApp Web changes under the library: missing names are reported with what they cost, and the rest keeps working.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { REQUIREMENTS, SWITCHES } from '../../src/compatibility.js';
import { startStandin } from '../../standin/server.js';
import { startChild, temporaryProfile } from '../support/child.js';

const ANA = '5491155550001@c.us';
/** A module that does not come within this many milliseconds is gone. */
const TIMING = { heartbeat: 300, authentication: 20_000, protocol: 20_000, evaluate: 5_000, late: 1_500 };
const CAPABILITIES = [
  'qr',
  'pairing_code',
  'passkey',
  'live',
  'stream',
  'sweep',
  'history',
  'contacts',
  'edits',
  'reactions',
  'votes',
  'calls',
  'account',
  'presence',
  'guard',
];

/** What the library requires on its way to `ready`, though no message needs it. */
const NEEDED_BY_NO_MESSAGE = [
  'WAWebCallCollection',
  'WAWebSyncGatingUtils',
  'WAWebConnModel.Conn.on',
  'WAWebConnModel.Conn.serialize',
  'WAWebCollections.Chat.on',
  'WAWebCmd.Cmd.on',
  'WAWebCmd.Cmd.onStartingLogoutFromBridge',
  'WAWebStreamModel',
  'WAWebLinkDeviceEvents',
  'WAWebLaunchSocketUtils',
  'WAWebBackendEventBus',
  'WAWebUserPrefsHistorySync',
  'WAWebDBMessageFindLocal',
  'WAWebOfflineHandler',
  'WAWebAltDeviceLinkingApi',
  'WABase64',
  'WAWebCompanionRegClientUtils',
  'WAWebAdvSignatureApi',
  'WAWebUserPrefsInfoStore',
  'WAWebSignalStoreApi',
  'WAWebUserPrefsMultiDevice',
  'WAWebUserPrefsMeUser',
  'WALinkify',
  'WAWebAddonReactionTableMode',
  'WAWebAddonPollVoteTableMode',
  'WAWebBackendJobsCommon',
  'WAWebE2EProtoUtils',
  'WAWebApiContact',
  'WAWebFrontendContactGetters',
  'WAWebWidFactory',
  'WAWebChatLoadMessages',
  'WAWebPresenceChatAction',
  'WAWebSendMsgChatAction',
];

test('every capability is documented, and each costs something', () => {
  const document = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');
  for (const name of CAPABILITIES) assert.ok(document.includes(`| \`${name}\` |`), name);
  assert.deepEqual([...new Set(REQUIREMENTS.map(({ costs }) => costs))].toSorted(), CAPABILITIES.toSorted());
});

describe('a linked profile, and pages that lack something', () => {
  /** @type {Awaited<ReturnType<typeof startStandin>>} */
  let standin;
  /** @type {import('../support/child.js').Child} */
  let child;
  /** @type {Awaited<ReturnType<typeof temporaryProfile>>} */
  let profile;
  let delivered = 0;

  before(async () => {
    // All modules at once, so that only what is taken away is missing; the last test has the page's two waves.
    standin = await startStandin({ keyShape: 'dollar', ways: { modules: 'at_once' } });
    profile = await temporaryProfile();
    child = await startChild(profile.path, standin.browserArgs, { timing: TIMING });
    await child.line('qr');
    await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
    await child.line('ready');
  });
  after(async () => {
    await child?.end();
    await standin?.close();
    await profile?.remove();
  });

  /**
   * Loads the page again without these modules. Returns where the lines of that load begin.
   * @param {string[]} modules
   */
  async function reloadWithout(modules) {
    const start = child.lines.length;
    await standin.act('missing', { modules });
    await standin.act('reload', { synced: true });
    return start;
  }

  /** @param {number} start */
  async function arrives(start) {
    await child.line('ready', { after: start });
    delivered += 1;
    const id = `HEARD${delivered}`;
    await standin.act('deliver', { id, from: '5491155550001', body: 'hola' });
    const line = await child.line((each) => each.id?.id === id, { after: start });
    const seen = child.lines.slice(start);
    assert.deepEqual(
      seen.filter((each) => each.type === 'page_error' && !each.message.startsWith('own presence')),
      [],
    );
    return { line, reports: seen.filter((each) => each.type === 'contract') };
  }

  /**
   * @param {import('../support/child.js').Line} line
   * @param {'missing' | 'late'} which
   */
  const costs = (line, which = 'missing') =>
    line[which].map((/** @type {any} */ each) => `${each.module}.${each.function} ${each.costs}`);

  /** The report once nothing is awaited any more. @param {number} start */
  const judged = (start) =>
    child.line((each) => each.type === 'contract' && each.late.length === 0, { after: start });

  test('that nothing is missing is reported once, and not again at the next load', async () => {
    const [first, ...more] = child.ofType('contract');
    assert.deepEqual([first.missing, first.late, first.web_version], [[], [], '2.3000.1043220887']);
    assert.deepEqual(more, []);
    assert.deepEqual((await arrives(await reloadWithout([]))).reports, []);
  });

  test('a page load is described once, and again when somebody asks', async () => {
    const first = /** @type {import('../support/child.js').Line} */ (child.ofType('page').at(-1));
    assert.equal(child.ofType('page').length, child.ofType('ready').length);
    assert.equal(first.required.length, REQUIREMENTS.length);
    assert.deepEqual(first.ab, {
      ...Object.fromEntries(SWITCHES.map((name) => [name, null])),
      web_non_blocking_offline_resume_max_message_count: 1000,
      web_init_chat_batch_size: 100,
      web_message_processing_cache_size: 400,
      message_edit_to_message_secret_receiver_enabled: true,
    });
    const start = child.lines.length;
    child.send({ type: 'check_page', check: 7 });
    const answer = await child.line('page', { after: start });
    const { seq, at } = answer;
    assert.deepEqual(answer, { ...first, seq, at, check: 7 });
    assert.equal(first.error, null);
  });

  test('without WAWebCallCollection messages arrive; it is late, then missing, and calls are lost', async () => {
    const start = await reloadWithout(['WAWebCallCollection']);
    const { reports } = await arrives(start);
    assert.deepEqual(
      reports.map((line) => [costs(line), costs(line, 'late')]),
      [[[], ['WAWebCallCollection.on calls']]],
    );
    assert.deepEqual(costs(await judged(start)), ['WAWebCallCollection.on calls']);
  });

  test('what is gone is not late again at the next load, nor reported again', async () => {
    // without its Map and without setActiveCall it is of no more use
    const members = ['calls', 'setActiveCall'].map((name) => `WAWebCallCollection.${name}`);
    const { reports } = await arrives(await reloadWithout(members));
    assert.deepEqual(reports, []);
    const start = await reloadWithout(['WAWebCallCollection']);
    assert.deepEqual((await arrives(start)).reports, []);
    assert.deepEqual(costs(await child.line('page', { after: start })), ['WAWebCallCollection.on calls']);
  });

  test('a module that came back is reported too', async () => {
    const { reports } = await arrives(await reloadWithout([]));
    assert.deepEqual(
      reports.map((line) => costs(line)),
      [[]],
    );
  });

  test('without all that no message needs, messages arrive', async () => {
    const start = await reloadWithout(NEEDED_BY_NO_MESSAGE);
    const { line } = await arrives(start);
    assert.equal(line.id.remote, ANA);
    assert.equal(line.body, 'hola');
    const report = await judged(start);
    const lost = new Set(report.missing.map((/** @type {any} */ each) => each.costs));
    assert.deepEqual(
      [...lost].toSorted(),
      CAPABILITIES.filter((name) => name !== 'live' && name !== 'edits').toSorted(),
    );
    assert.ok(costs(report).includes('WAWebSendMsgChatAction.addAndSendMsgToChat guard'));
    await child.line('heartbeat', { after: child.lines.indexOf(line) });
  });

  test('a sweep without earlier messages brings those in memory, and does not call that complete', async () => {
    const start = child.lines.length;
    child.send({ type: 'sweep', sweep: 1, from: 0, chats: {}, ignore: [] });
    const done = await child.line('sweep_done', { after: start });
    const chat = child.lines.slice(start).find((line) => line.type === 'sweep_chat');
    assert.equal(done.failed, 1);
    assert.ok(chat?.found > 0);
    assert.equal(chat?.through, null);
    assert.match(chat?.error, /does not load earlier messages/);
  });

  test('an event that no function of the page triggers any more is named', async () => {
    const { reports } = await arrives(await reloadWithout(['WAWebCmd.Cmd.onStartingLogoutFromBridge']));
    assert.deepEqual(costs(reports.at(-1) ?? {}), ["WAWebCmd.Cmd.on('starting_logout_from_bridge') account"]);
  });

  test('a sweep without a list of chats reports that it failed', async () => {
    const start = await reloadWithout(['WAWebCollections.Chat']);
    const { reports } = await arrives(start);
    assert.ok(costs(reports.at(-1) ?? {}).includes('WAWebCollections.Chat.getModelsArray sweep'));
    await child.line('heartbeat', { after: start });
    child.send({ type: 'sweep', sweep: 2, from: 0, chats: {}, ignore: [] });
    const done = await child.line('sweep_done', { after: start });
    assert.notEqual(done.error, null);
  });

  test('without the message store nothing arrives: that is reported, and ready is not', async () => {
    const start = await reloadWithout(['WAWebCollections']);
    const line = await child.line(
      (each) => each.type === 'contract' && costs(each).includes('WAWebCollections.Msg.on live'),
      { after: start },
    );
    assert.ok(costs(line).includes('WAWebCollections.Msg.on edits'));
    const error = await child.line('page_error', { after: start });
    assert.match(error.message, /WAWebCollections/);
    assert.deepEqual(
      child.lines.slice(start).filter((each) => each.type === 'ready'),
      [],
    );
    const asked = child.lines.length;
    child.send({ type: 'check_page', check: 8 });
    const answer = await child.line((each) => each.check === 8, { after: asked });
    assert.equal(answer.error, 'the page is not ready');
    await arrives(await reloadWithout([]));
  });

  test('the check sent nothing, queried nothing, and was refused nothing', () => {
    const { sent, queries } = standin.state();
    assert.deepEqual([sent, queries], [[], []]);
    assert.deepEqual(child.ofType('outbound_blocked'), []);
  });
});

test('a new profile that cannot be linked reports why before the child exits', async (context) => {
  const standin = await startStandin();
  const profile = await temporaryProfile();
  await standin.act('missing', { modules: ['WAWebSignalStoreApi', 'WAWebAltDeviceLinkingApi'] });
  const child = await startChild(profile.path, standin.browserArgs);
  context.after(async () => {
    await child.end();
    await standin.close();
    await profile.remove();
  });
  const { missing, late } = await child.line('contract');
  assert.deepEqual(late, [], 'the library needed it to start: nothing is awaited');
  assert.deepEqual(
    [...new Set(missing.map((/** @type {any} */ each) => each.costs))],
    ['qr', 'pairing_code'],
  );
  assert.equal((await child.line('bye')).reason, 'initialize_failed');
});

test('a module of the second wave is late until it has come, and is then no loss', async (context) => {
  const standin = await startStandin({ lateMs: 6_000 });
  const profile = await temporaryProfile();
  const child = await startChild(profile.path, standin.browserArgs, { timing: { ...TIMING, late: 20_000 } });
  context.after(async () => {
    await child.end();
    await standin.close();
    await profile.remove();
  });
  await child.line('qr');
  await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
  await child.line('ready');
  const after = child.lines.length;
  await standin.act('reload', { synced: true });
  const first = await child.line('page', { after });
  assert.deepEqual(first.missing, []);
  assert.ok(first.late.some((/** @type {any} */ each) => each.costs === 'calls'));
  const later = await child.line((line) => line.type === 'contract' && line.late.length === 0, { after });
  assert.deepEqual(later.missing, []);
});
