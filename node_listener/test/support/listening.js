// The real child against a stand-in of its own, for one test; what it starts is ended and removed after it.
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { startStandin } from '../../standin/server.js';
import { startChild, temporaryProfile } from './child.js';
import { until } from './waiting.js';

const SHOP = { phone: '5491155550100', name: 'Tienda' };
const DRIVER = new URL('driver.js', import.meta.url).href;

/**
 * @param {import('node:test').TestContext} context
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
 * @param {import('node:test').TestContext} context
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
