// How the child exits: on command, when its reader is gone, by signal, and when its browser or page dies. Nothing is left
// behind.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startStandin } from '../../standin/server.js';
import { findBrowser, makeFolder, removeFolder } from '../support/browser.js';
import {
  browserOf,
  processesInGroup,
  processesWith,
  startChild,
  temporaryProfile,
} from '../support/child.js';
import { onlyDeep } from '../support/depth.js';
import { until } from '../support/waiting.js';

/** @type {Awaited<ReturnType<typeof startStandin>>} */
let standin;
before(async () => {
  standin = await startStandin();
});
after(() => standin.close());

/** @typedef {import('../support/child.js').Child} Child */

/**
 * @param {import('node:test').TestContext} context
 * @param {Record<string, unknown>} [options]
 * @param {{node?: string[]}} [how]
 */
async function start(context, options, how) {
  const profile = await temporaryProfile();
  const child = await startChild(profile.path, standin.browserArgs, options, how);
  context.after(async () => {
    await child.end();
    await profile.remove();
  });
  return { child, profile };
}

/**
 * @param {Child} child
 * @param {number} code
 * @param {string} reason
 */
async function left(child, code, reason) {
  const status = await child.exit;
  assert.deepEqual(status, { code, signal: null }, child.stderr);
  const last = child.lines.at(-1);
  assert.equal(last?.type, 'bye');
  assert.equal(last?.reason, reason);
  await nothingLeft(child);
}

/** @param {Child} child */
async function nothingLeft(child) {
  const pid = child.lines.find((line) => line.type === 'browser_started')?.pid ?? 0;
  await until(() => processesWith(child.instance).length === 0);
  await until(() => pid === 0 || processesInGroup(pid).length === 0);
}

test('a browser that has to be killed shows in the exit code: its profile may be torn', async (context) => {
  const { child } = await start(context);
  await child.line('qr');
  process.kill(await browserOf(child), 'SIGSTOP');
  child.send({ type: 'stop' });
  await left(child, 70, 'stop');
});

test('when stdin closes it exits, because the daemon is gone', async (context) => {
  const { child } = await start(context);
  await child.line('qr');
  child.process.stdin.end();
  await left(child, 0, 'stdin_closed');
});

test('when nobody reads stdout any more it exits', async (context) => {
  const { child } = await start(context, { timing: { heartbeat: 100 } });
  await child.line('qr');
  child.process.stdout.destroy();
  await standin.act('rotate_qr');
  assert.equal((await child.exit).code, 0);
  await nothingLeft(child);
});

/**
 * @param {Child} child
 * @param {'SIGTERM' | 'SIGINT' | 'SIGHUP'} signal
 */
async function leavesGracefullyBy(child, signal) {
  child.process.kill(signal);
  await left(child, 0, 'signal');
  assert.equal(child.lines.at(-1)?.detail, signal);
}

for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) {
  test(`${signal} makes it exit gracefully`, async (context) => {
    const { child } = await start(context);
    await child.line(signal === 'SIGTERM' ? 'browser_started' : 'qr');
    await leavesGracefullyBy(child, signal);
  });
}

test('killed itself, it leaves no browser behind', async (context) => {
  const { child } = await start(context);
  await child.line('qr');
  child.process.kill('SIGKILL');
  await child.exit;
  await nothingLeft(child);
});

test('a killed browser is reported', async (context) => {
  const { child } = await start(context);
  await child.line('qr');
  process.kill(await browserOf(child), 'SIGKILL');
  await left(child, 70, 'browser_gone');
});

describe("behind a launcher script that does not exec, as that of Debian's headless shell", () => {
  const ALIKE = onlyDeep('the headless shell of the tests above is behind such a script');
  /** The pid that puppeteer holds is the script's. @param {import('node:test').TestContext} context */
  async function behindAScript(context) {
    const folder = makeFolder('launcher');
    context.after(() => removeFolder(folder));
    const browser = path.join(folder, 'launch');
    await writeFile(browser, `#!/bin/sh\n"${findBrowser()}" "$@"\n`, { mode: 0o755 });
    const { child } = await start(context, { browser });
    await child.line('qr');
    const { pid } = await child.line('browser_started');
    const browserPid = await browserOf(child);
    assert.notEqual(browserPid, pid);
    return { child, script: pid, browserPid };
  }

  test('a stop leaves nothing', ALIKE, async (context) => {
    const { child } = await behindAScript(context);
    child.send({ type: 'stop' });
    await left(child, 0, 'stop');
  });

  test('a browser that has to be killed is reached, and not only its script', async (context) => {
    const { child, browserPid } = await behindAScript(context);
    process.kill(browserPid, 'SIGSTOP');
    child.send({ type: 'stop' });
    await left(child, 70, 'stop');
  });

  test('without the script the browser goes on, and a stop leaves nothing', async (context) => {
    const { child, script } = await behindAScript(context);
    process.kill(script, 'SIGKILL');
    const now = child.lines.length;
    await standin.act('rotate_qr');
    await child.line('qr', { after: now });
    child.send({ type: 'stop' });
    await left(child, 0, 'stop');
  });

  test('a killed browser is reported', ALIKE, async (context) => {
    const { child, browserPid } = await behindAScript(context);
    process.kill(browserPid, 'SIGKILL');
    await left(child, 70, 'browser_gone');
  });

  test('a killed listener takes both with it', ALIKE, async (context) => {
    const { child } = await behindAScript(context);
    child.process.kill('SIGKILL');
    await child.exit;
    await nothingLeft(child);
  });
});

test('pipes that a dying browser resets do not end Node', async (context) => {
  const breaking = new URL('../support/broken-pipe.js', import.meta.url).href;
  const { child } = await start(context, {}, { node: [`--import=${breaking}`] });
  await child.line('qr');
  process.kill(await browserOf(child), 'SIGKILL');
  await left(child, 70, 'browser_gone');
  await child.stderrHas('reset 5 pipes');
  assert.doesNotMatch(child.stderr, /uncaught_exception/);
});

test('a crashed renderer is reported', async (context) => {
  const { child } = await start(context);
  await child.line('qr');
  await standin.act('crash', { what: 'renderer' });
  await left(child, 70, 'page_crashed');
});

test('without a browser it says so and exits with 78', async (context) => {
  const { child } = await start(context, { browser: '/nowhere/chromium' });
  await left(child, 78, 'browser_missing');
  assert.deepEqual(
    child.lines.map((line) => line.type),
    ['hello', 'bye'],
  );
  assert.equal(child.lines[0].versions.browser, null);
});

test('a browser that does not start is reported', async (context) => {
  const { child } = await start(context, { browser: '/usr/bin/false' });
  await left(child, 70, 'browser_failed');
});

test('a browser that does not start is reported with its own words', async (context) => {
  const folder = await temporaryProfile();
  context.after(() => folder.remove());
  const browser = path.join(path.dirname(folder.path), 'browser.sh');
  const cause =
    'FATAL:zygote_host_impl_linux.cc(128)] No usable sandbox! If you are running on Ubuntu 23.10+ ...';
  await writeFile(browser, `#!/bin/sh\necho noise >&2\necho '${cause}' >&2\necho '#0 0x5581' >&2\nexit 1\n`, {
    mode: 0o755,
  });
  const { child } = await start(context, { browser });
  await left(child, 70, 'browser_failed');
  assert.equal(child.lines.at(-1)?.detail, cause);
});

test('a page that cannot be loaded is reported', async (context) => {
  const nowhere = ['--host-resolver-rules=MAP * ~NOTFOUND'];
  const profile = await temporaryProfile();
  const child = await startChild(profile.path, nowhere);
  context.after(async () => {
    await child.end();
    await profile.remove();
  });
  await left(child, 70, 'initialize_failed');
  assert.match(child.lines.at(-1)?.detail, /ERR_NAME_NOT_RESOLVED/);
});

test('wrong options are a clear error on stderr and 78', async (context) => {
  const { child } = await start(context, { groups: 'yes' });
  assert.equal((await child.exit).code, 78);
  assert.deepEqual(child.lines, []);
  assert.match(child.stderr, /option "groups" is "yes", but must be true or false/);
});

// By a plain reload, which tells no reason; the other ways in which a page leaves: listener-page-ways.
describe('unlinked on the phone', () => {
  test('it says so, keeps the profile, and exits', async (context) => {
    const { child, profile } = await start(context);
    await child.line('qr');
    await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
    await child.line('ready');
    await standin.act('logout', { reason: 4 });
    const line = await child.line('disconnected');
    assert.deepEqual([line.reason, line.logout_reason, line.by], ['LOGOUT', null, 'event']);
    await left(child, 70, 'logged_out');
    assert.ok(readdirSync(`${profile.path}/Default`).includes('IndexedDB'));
    assert.equal(child.ofType('disconnected').length, 1);
  });

  test('after SIGINT, which makes it exit gracefully, it reports the same at the next start', async (context) => {
    const profile = await temporaryProfile();
    const first = await startChild(profile.path, standin.browserArgs);
    context.after(profile.remove);
    await first.line('qr');
    await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
    await first.line('ready');
    await leavesGracefullyBy(first, 'SIGINT');
    await standin.act('logout', { reason: 2 });
    const second = await startChild(profile.path, standin.browserArgs);
    context.after(second.end);
    const line = await second.line('disconnected');
    assert.deepEqual([line.reason, line.logout_reason, line.by], ['LOGOUT', null, 'event']);
    assert.deepEqual(second.ofType('qr'), []);
    await left(second, 70, 'logged_out');
  });
});

test('a pairing code is reported, by option', async (context) => {
  const { child } = await start(context, { pairing_phone: '5491155550100' });
  const first = await child.line('pairing_code');
  assert.match(first.code, /^\w{8}$/);
  assert.equal(first.valid_seconds, 180);
  await standin.act('pair', { name: 'Tienda' });
  assert.equal((await child.line('ready')).fresh, true);
  assert.deepEqual(child.ofType('qr'), []);
});

describe('with one child that is not linked', () => {
  const noisy = new URL('../support/noisy.js', import.meta.url).href;
  /** @type {Child} */
  let child;
  /** @type {Awaited<ReturnType<typeof temporaryProfile>>} */
  let profile;
  before(async () => {
    profile = await temporaryProfile();
    child = await startChild(profile.path, standin.browserArgs, {}, { node: [`--import=${noisy}`] });
    await child.line('qr');
  });
  after(async () => {
    await child?.end();
    await profile?.remove();
  });

  test('what a dependency prints goes to stderr', async () => {
    for (const way of ['console.log', 'stdout.write', 'console.info'])
      await child.stderrHas(`noise by ${way}`);
  });

  test('an error of the page is reported', async () => {
    await standin.act('throw', { message: 'something broke' });
    const line = await child.line('page_error');
    assert.equal(line.source, 'pageerror');
    assert.match(line.message, /something broke/);
  });

  test('when the QR stops rotating a new one is requested', async () => {
    const after = child.lines.length;
    const { qr } = /** @type {any} */ (child.ofType('qr').at(-1));
    await standin.act('state', { state: 'UNPAIRED_IDLE' });
    const next = await child.line((line) => line.type === 'qr' && line.qr !== qr, { after });
    assert.equal(next.valid_seconds, 20);
  });

  test('a pairing code is reported, by command', async () => {
    child.send({ type: 'pairing_code', phone: '5491155550100' });
    await child.line('pairing_code');
  });

  test('after all of it, asked to stop, it closes the browser, says bye and exits with 0', async () => {
    assert.ok(await browserOf(child), 'the browser carries the marker');
    child.send({ type: 'stop' });
    await left(child, 0, 'stop');
  });
});
