// One browser for all tests of a file that need no process of their own: a start of it costs a second of processor time. Each
// test has a stand-in of its own, at the one address that the browser knows, and finds no page and no data of another.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import puppeteer from 'puppeteer';
import { openAddress } from '../../standin/server.js';
import { launchOptions, makeFolder, removeFolder } from './browser.js';
import { until } from './waiting.js';

/** @typedef {Awaited<ReturnType<typeof open>>} OneBrowser */

/** @type {Promise<OneBrowser> | null} */
let opened = null;

/** The browser of this process, started when it is first asked for and ended after the last test. */
export function oneBrowser() {
  opened ??= open();
  return opened;
}

after(async () => {
  if (!opened) return;
  const { browser, address, folder } = await opened;
  await browser.close();
  await address.close();
  await removeFolder(folder);
});

async function open() {
  const address = await openAddress();
  const folder = makeFolder('browser');
  // It ends with our pipe to it, however this process ends. The library connects by the port.
  const options = launchOptions([...address.browserArgs, '--remote-debugging-port=0']);
  const browser = await puppeteer.launch({ ...options, userDataDir: folder });
  const [blank] = await browser.pages();
  const session = await blank.createCDPSession();
  return {
    address,
    browser,
    folder,
    endpoint: await readEndpoint(folder),
    /** Closes all pages but the first, and wipes what they have stored. */
    async clear() {
      const others = (await browser.pages()).filter((page) => page !== blank);
      await Promise.all(others.map((page) => page.close()));
      await session.send('Storage.clearDataForOrigin', {
        origin: 'https://web.whatsapp.com',
        storageTypes: 'all',
      });
    },
  };
}

/** @param {string} folder */
async function readEndpoint(folder) {
  let lines = [''];
  await until(() => {
    try {
      lines = readFileSync(join(folder, 'DevToolsActivePort'), 'utf8').split('\n');
    } catch {
      // not written yet
    }
    return lines.length > 1;
  });
  const [port, path] = lines;
  return `ws://127.0.0.1:${port}${path}`;
}
