// Where the browser is and how tests start it. Signal handlers and transport are as in the listener: with puppeteer's
// defaults SIGTERM kills Chromium without a chance to save, and a killed Node leaves Chromium behind.

import { accessSync, constants, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const USUAL = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** @returns {string} the browser of LEADMASTERD_BROWSER, or the first one in the usual places */
export function findBrowser() {
  const named = process.env.LEADMASTERD_BROWSER;
  if (named) return named;
  for (const path of USUAL) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // the next one
    }
  }
  throw new Error(`cannot find a browser: set LEADMASTERD_BROWSER or install one as ${USUAL.join(' or ')}`);
}

/** @returns {string[]} Chromium's sandbox refuses root */
export function sandboxArgs() {
  return process.getuid?.() === 0 ? ['--no-sandbox'] : [];
}

/**
 * Options for puppeteer.launch.
 * @param {string[]} args what the stand-in says a browser needs
 */
export function launchOptions(args) {
  return {
    executablePath: findBrowser(),
    headless: true,
    pipe: true,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    args: [...sandboxArgs(), '--disable-gpu', '--disable-dev-shm-usage', ...args],
  };
}

/**
 * @param {string} name
 * @returns {string} a new folder; remove it with removeFolder once its browser is gone
 */
export function makeFolder(name) {
  return mkdtempSync(join(tmpdir(), `leadmasterd-${name}-`));
}

/** @param {string} folder */
export async function removeFolder(folder) {
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
