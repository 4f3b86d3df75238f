// Where the browser is and how tests start it. Signal handlers and transport are as in the listener: with puppeteer's
// defaults SIGTERM kills Chromium without a chance to save, and a killed Node leaves Chromium behind.

import { accessSync, constants, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the listener looks for, in its order (leadmasterd/listener/programs.py). */
const USUAL = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];

/** @param {string} name of a program on PATH, or its path */
function find(name) {
  for (const folder of name.includes('/') ? [''] : (process.env.PATH ?? '').split(':')) {
    try {
      const path = join(folder, name);
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // the next one
    }
  }
  return null;
}

/** @returns {string} the browser of TEST_BROWSER (a name or a path), or the first one that the listener would find */
export function findBrowser() {
  const named = process.env.TEST_BROWSER;
  for (const name of named ? [named] : USUAL) {
    const path = find(name);
    if (path) return path;
  }
  throw new Error(`cannot find a browser: set TEST_BROWSER or install one as ${USUAL.join(' or ')}`);
}

/** @returns {string[]} the headless shell and Chromium, those that are here: what differs between them is tested in both */
export function bothBrowsers() {
  return USUAL.slice(0, 2).flatMap((name) => find(name) ?? []);
}

/** @returns {string[]} Chromium's sandbox refuses root */
export function sandboxArgs() {
  return process.getuid?.() === 0 ? ['--no-sandbox'] : [];
}

/**
 * Options for puppeteer.launch.
 * @param {string[]} args what the stand-in says a browser needs
 * @param {string} [browser] path
 */
export function launchOptions(args, browser = findBrowser()) {
  return {
    executablePath: browser,
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
