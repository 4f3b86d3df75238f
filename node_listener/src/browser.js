// How the browser is started: its arguments, its version, the user agent that goes with it.
import { execFile } from 'node:child_process';
import { access, constants, mkdir, readdir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * @param {string} browser absolute path
 * @returns {Promise<boolean>} whether there is something to execute
 */
export async function browserExists(browser) {
  return access(browser, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * @param {string} browser
 * @returns {Promise<string | null>} such as "Chromium 156.0.8078.79", null if it did not say
 */
export async function browserVersion(browser) {
  try {
    const { stdout } = await run(browser, ['--version'], { timeout: 10_000 });
    return /^.*?\d+(\.\d+)+/.exec(stdout.trim())?.[0] ?? null;
  } catch {
    return null;
  }
}

/**
 * Chromium's own reduced user agent for that version. The library's default says Chrome 101 on a Mac, and WhatsApp Web
 * has begun to refuse old ones (open-wa#3331).
 * @param {string | null} version
 * @returns {string | null}
 */
export function userAgentFor(version) {
  const major = /(\d+)\.\d/.exec(version ?? '')?.[1];
  if (major === undefined) return null;
  return `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Safari/537.36`;
}

/**
 * A browser that dies resets its pipes, and `read ECONNRESET` ended Node: puppeteer lets go of its two at the first sign of
 * the death (PipeTransport.js), and hands the errors of stdout and stderr to a readline that has no listener for them
 * (@puppeteer/browsers, launch.js). Nothing is lost with its listeners: they only log. The death is told by the browser.
 * @param {import('node:child_process').ChildProcess | null} process
 */
export function forgivePipes(process) {
  for (const stream of process?.stdio ?? []) stream?.removeAllListeners('error').on('error', () => {});
}

/**
 * @param {string} profile created if need be, for our eyes only
 * @returns {Promise<boolean>} whether it was empty
 */
export async function prepareProfile(profile) {
  await mkdir(profile, { recursive: true, mode: 0o700 });
  return (await readdir(profile)).length === 0;
}

/**
 * Options for puppeteer's launch.
 * `pipe`: when Node dies, however it dies, Chromium sees the pipe close and leaves; over a websocket it stayed behind.
 * Signals are ours: puppeteer's handlers kill the browser, losing the last seconds of localStorage, and leave Node alive.
 * `--lang`: texts of the page's dialogs stay matchable.
 * @param {import('./options.js').Options} options
 * @param {string | null} userAgent
 */
export function launchOptions(options, userAgent) {
  return {
    executablePath: options.browser,
    userDataDir: options.profile,
    headless: true,
    defaultViewport: null,
    pipe: true,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    protocolTimeout: options.timing.protocol,
    args: [
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-software-rasterizer',
      '--disk-cache-size=67108864',
      '--media-cache-size=1048576',
      '--lang=en-US',
      `--leadmasterd-instance=${options.instance}`,
      ...(userAgent === null ? [] : [`--user-agent=${userAgent}`]),
      ...(options.no_sandbox ? ['--no-sandbox'] : []),
      ...options.browser_args,
    ],
  };
}
