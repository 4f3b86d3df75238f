// The real child against a stand-in of its own, for one test or one suite; what it starts is ended and removed after it.
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { after, before } from 'node:test';
import { startStandin } from '../../standin/server.js';
import { startChild, temporaryProfile } from './child.js';
import { until } from './waiting.js';

const SHOP = { phone: '5491155550100', name: 'Tienda' };
const DRIVER = new URL('driver.js', import.meta.url).href;

/** @typedef {{after: (work: () => Promise<void>) => void}} Context that of a test, or of several tests that share a child */

/**
 * @param {Context} context
 * @param {import('../../standin/options.js').GivenOptions} [options] of the stand-in
 */
export async function listening(context, options) {
  const standin = await startStandin(options);
  const profile = await temporaryProfile();
  /** @type {import('./child.js').Child[]} */
  const children = [];
  context.after(async () => {
    for (const child of children) await child.end();
    await standin.close();
    await profile.remove();
  });
  return {
    standin,
    profile: profile.path,
    /**
     * A child on the one profile.
     * @param {Record<string, unknown>} [childOptions]
     * @param {{node?: string[]}} [how]
     */
    async start(childOptions, how) {
      const child = await startChild(profile.path, standin.browserArgs, childOptions, how);
      children.push(child);
      return child;
    },
  };
}

/**
 * The same, with a way to run code in the page.
 * @param {Context} context
 * @param {import('../../standin/options.js').GivenOptions} [options] of the stand-in
 */
export async function drivenListening(context, options) {
  const { standin, profile, start: startAny } = await listening(context, options);
  const file = `${profile}.page.js`;
  /** @param {Record<string, unknown>} [childOptions] */
  const start = (childOptions) => startAny(childOptions, { node: [`--import=${DRIVER}`] });
  return {
    standin,
    start,
    /** Runs in the page. @param {string} source */
    async drive(source) {
      writeFileSync(`${file}.new`, source);
      renameSync(`${file}.new`, file);
      await until(() => !existsSync(file));
    },
    /** A child that was scanned and is ready. */
    async linked() {
      const child = await start();
      await child.line('qr');
      await standin.act('scan', SHOP);
      await child.line('ready');
      return child;
    },
  };
}

/** @typedef {Awaited<ReturnType<typeof drivenListening>>} DrivenListening */

/**
 * The page is cut off, and loaded again when something has happened: it was away, and costs no second browser.
 * @param {{standin: DrivenListening['standin'], drive: DrivenListening['drive'], child: import('./child.js').Child}} listener
 * @param {() => Promise<unknown>} happens
 */
export async function whileAway({ standin, drive, child }, happens) {
  await standin.act('offline');
  await standin.act('wait', { for: 'disconnected' });
  await happens();
  const [after, loads] = [child.lines.length, standin.state().page_loads + 1];
  await drive('location.reload()');
  await standin.act('wait', { for: 'loads', loads });
  await standin.act('online');
  await child.line('ready', { after });
}

/**
 * One child for all tests of a suite, which it calls once: each leaves the child running, and another load of the page
 * takes away what it did in there.
 * @param {(context: Context) => Promise<DrivenListening>} setUp
 * @param {(listener: DrivenListening) => Promise<import('./child.js').Child>} start
 */
export function sharedChild(setUp, start) {
  /** @type {(() => Promise<void>)[]} */
  const ends = [];
  /** @type {DrivenListening} */
  let listener;
  /** @type {import('./child.js').Child} */
  let child;
  before(async () => {
    listener = await setUp({ after: (work) => ends.push(work) });
    child = await start(listener);
  });
  after(async () => {
    for (const end of ends) await end();
  });
  return {
    /** For the next test. `now` is where its lines begin, `said` those of a type since then. */
    next() {
      const now = child.lines.length;
      return {
        ...listener,
        child,
        now,
        /** @param {string | ((line: import('./child.js').Line) => boolean)} test */
        line: (test) => child.line(test, { after: now }),
        said: (/** @type {string} */ type) => child.lines.slice(now).filter((line) => line.type === type),
        async reload() {
          const loaded = child.lines.length;
          await listener.drive('location.reload()'); // also of a page that the stand-in does not reach any more
          await child.line('ready', { after: loaded });
        },
      };
    },
  };
}
