// How the browser is started: its path, version and profile, launch options and user agent; and why a start failed.
import { execFile } from 'node:child_process';
import { access, constants, mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { flagsFor } from './flags.js';

const run = promisify(execFile);

/**
 * @param {string} browser absolute path
 * @returns {Promise<boolean>} whether it is an executable file
 */
export async function browserExists(browser) {
  return access(browser, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * @param {string} browser
 * @returns {Promise<string | null>} such as "Chromium 156.0.8078.79", null if it does not say
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
 * The reduced user agent that Chromium itself has in that version. The library's default says Chrome 101 on a Mac, and WhatsApp
 * Web has begun to refuse old ones (open-wa#3331).
 * @param {string | null} version as browserVersion() gives it
 * @returns {string | null} null when the version is not known: the browser keeps its own
 */
export function userAgentFor(version) {
  const major = /(\d+)\.\d/.exec(version ?? '')?.[1];
  if (major === undefined) return null;
  return `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Safari/537.36`;
}

/**
 * Why the browser does not start, in its own words. Puppeteer only says "Target closed" when the browser ends before it answers,
 * so it is started once more with the same arguments, on an empty page, for what it writes to stderr.
 * @param {import('./options.js').Options} options
 * @returns {Promise<string | null>} the line that names the cause, null if it started this time or said nothing
 */
export async function whyItDoesNotStart(options) {
  const { args } = launchOptions(options, null);
  const onEmptyPage = ['--headless=new', `--user-data-dir=${options.profile}`, '--dump-dom', 'about:blank'];
  try {
    await run(options.browser, [...args, ...onEmptyPage], { timeout: 15_000, killSignal: 'SIGKILL' });
    return null;
  } catch (error) {
    const lines = String(/** @type {{ stderr?: unknown }} */ (error).stderr ?? '').split('\n');
    const written = lines.filter((line) => line.trim() !== '');
    const cause = written.find((line) => /FATAL|sandbox/i.test(line));
    return cause ?? written.at(-1) ?? null;
  }
}

/**
 * Ignores errors of the browser's pipes. A dying browser resets them, and an unhandled `read ECONNRESET` would end Node:
 * puppeteer drops its listeners on two of them at the first sign of the death (PipeTransport.js), and gives stdout and stderr
 * to a readline without an error listener (@puppeteer/browsers, launch.js). The listeners removed here only log; the death has
 * an event of its own.
 * @param {import('node:child_process').ChildProcess | null} process
 */
export function ignorePipeErrors(process) {
  for (const stream of process?.stdio ?? []) stream?.removeAllListeners('error').on('error', () => {});
}

/** Creates the folder of the profile if it is missing, readable by its owner only. @param {string} profile */
export async function prepareProfile(profile) {
  await mkdir(profile, { recursive: true, mode: 0o700 });
}

/**
 * Options for puppeteer's launch.
 * `pipe`: when Node dies, in whatever way, Chromium sees the pipe close and exits; with a websocket it would go on running.
 * `handleSIG…`: puppeteer's handlers kill the browser, which loses the last seconds of localStorage, and leave Node alive.
 * The arguments are in flags.js.
 * @param {import('./options.js').Options} options
 * @param {string | null} userAgent null: the browser's own
 */
export function launchOptions(options, userAgent) {
  return {
    executablePath: options.browser,
    userDataDir: options.profile,
    headless: options.headless,
    defaultViewport: null,
    pipe: true,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    protocolTimeout: options.timing.protocol,
    args: [
      ...flagsFor(options.headless),
      `--leadmasterd-instance=${options.instance}`,
      ...(userAgent === null ? [] : [`--user-agent=${userAgent}`]),
      ...(options.no_sandbox ? ['--no-sandbox'] : []),
      ...options.browser_args,
    ],
  };
}
