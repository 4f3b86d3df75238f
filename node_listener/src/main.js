// The child process of the daemon: whatsapp-web.js in a browser on one side, docs/protocol.md on stdin and stdout.
//     node src/main.js --instance=NAME       options as JSON in LEADMASTERD_LISTENER
import { createRequire } from 'node:module';
import { browserExists, browserVersion, prepareProfile, userAgentFor } from './browser.js';
import { parseCommand, readLines } from './commands.js';
import { BadOptions, OPTIONS_VARIABLE, readOptions } from './options.js';
import { isClosing, isNavigation } from './page-calls.js';
import { errorText, note } from './stderr.js';
import { guardStdout } from './stdout-guard.js';
import { createWire } from './wire.js';

/** Exit statuses of sysexits.h: EX_CONFIG, which no restart heals, and EX_SOFTWARE. */
const WRONG_SETTINGS = 78;
const FAILED = 70;
const stdout = guardStdout();
const versionOf = (/** @type {string} */ module) =>
  createRequire(import.meta.url)(`${module}/package.json`).version;

/**
 * Says hello, then starts the listener and connects it with stdin, signals and errors that nothing caught. Returns once the page
 * is injected, or once a shutdown has begun: without a browser at that path there is only hello and bye.
 * @param {import('./options.js').Options} options
 */
async function listen(options) {
  const wire = createWire(stdout);
  /** @type {ReturnType<typeof import('./listener.js').createListener> | undefined} */
  let listener;
  // Nobody reads stdout any more: the daemon is gone.
  process.stdout.on('error', () => {
    wire.abandon();
    listener?.leave('stdin_closed');
  });
  process.stderr.on('error', () => {});

  // At the same time: the browser is asked for its version on one core while another loads the library.
  const [browser, exists, { createListener }] = await Promise.all([
    browserVersion(options.browser),
    browserExists(options.browser),
    import('./listener.js'),
    prepareProfile(options.profile),
  ]);
  wire.send('hello', {
    pid: process.pid,
    versions: {
      listener: createRequire(import.meta.url)('../package.json').version,
      whatsapp_web_js: versionOf('whatsapp-web.js'),
      puppeteer: versionOf('puppeteer'),
      browser,
      node: process.versions.node,
    },
  });

  if (!exists) {
    process.exitCode = WRONG_SETTINGS;
    wire.send('bye', {
      reason: 'browser_missing',
      detail: `there is no browser to run at ${options.browser}`,
    });
    return;
  }
  const userAgent = options.user_agent ?? userAgentFor(browser);
  listener = createListener(options, userAgent, wire, () => process.stdin.destroy());
  const { leave, execute } = listener;

  readLines(process.stdin, {
    line(line) {
      const parsed = parseCommand(line);
      if ('error' in parsed) wire.send('command_error', parsed.error);
      else execute(parsed.command);
    },
    tooLong: () => wire.send('command_error', { command: '', message: 'the line is too long' }),
    end: () => leave('stdin_closed'),
  });
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
    process.on(signal, () => leave('signal', signal));
  }
  process.on('unhandledRejection', (error) => {
    // The library does not await some of its promises (requestPairingCode, destroy). One that a reload of the page broke
    // needs no answer: the next load starts over.
    note('unhandled_rejection', errorText(error));
    if (listener.leaving) return;
    if (isNavigation(error) || isClosing(error)) listener.pageError('inject', errorText(error));
    else leave('internal', errorText(error));
  });
  process.on('uncaughtException', (error) => {
    note('uncaught_exception', error.stack ?? errorText(error));
    leave('internal', errorText(error));
  });
  await listener.start();
}

try {
  const options = readOptions(process.env[OPTIONS_VARIABLE]);
  delete process.env[OPTIONS_VARIABLE]; // the browser would inherit it
  await listen(options);
} catch (error) {
  process.exitCode = error instanceof BadOptions ? WRONG_SETTINGS : FAILED;
  note('cannot_start', error instanceof BadOptions ? error.message : errorText(error));
}
