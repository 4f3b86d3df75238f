// Runs the real child against the stand-in, and reads its lines.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findBrowser, makeFolder, removeFolder } from './browser.js';
import { LIMIT } from './waiting.js';

const MAIN = new URL('../../src/main.js', import.meta.url).pathname;

/** @typedef {Record<string, any>} Line */
/** @typedef {Awaited<ReturnType<typeof startChild>>} Child */

export async function temporaryProfile() {
  const folder = makeFolder('listener');
  return { path: join(folder, 'profile'), remove: () => removeFolder(folder) };
}

let instances = 0;

/**
 * @param {string} profile
 * @param {string[]} browserArgs
 * @param {Record<string, unknown>} [options] over the defaults
 * @param {{node?: string[]}} [how] node: arguments for Node itself
 */
export async function startChild(profile, browserArgs, options = {}, { node = [] } = {}) {
  instances += 1;
  const instance = `test-${process.pid}-${instances}`;
  const settings = {
    profile,
    browser: findBrowser(),
    browser_args: browserArgs,
    user_agent: null,
    pairing_phone: null,
    presence_unavailable: true,
    groups: false,
    no_sandbox: process.getuid?.() === 0,
    instance,
    timing: { heartbeat: 300, authentication: 20_000, protocol: 20_000, evaluate: 5_000 },
    ...options,
  };
  const child = spawn(process.execPath, [...node, MAIN, `--instance=${instance}`], {
    env: { ...process.env, LEADMASTERD_LISTENER: JSON.stringify(settings) },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  /** @type {Line[]} */
  const lines = [];
  let stderr = '';
  /** @type {Set<() => void>} */
  const lookers = new Set();
  const changed = () => {
    for (const look of lookers) look();
  };
  createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
    lines.push(JSON.parse(line));
    changed();
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
    changed();
  });
  child.stdin.on('error', () => {});
  const exit = once(child, 'close').then(([code, signal]) => ({ code, signal }));

  /**
   * The first line from `after` on that the test accepts.
   * @param {string | ((line: Line) => boolean)} test a type, or a function
   * @param {{after?: number, limit?: number}} [where]
   * @returns {Promise<Line>}
   */
  function line(test, { after = 0, limit = LIMIT } = {}) {
    const fits = typeof test === 'string' ? (/** @type {Line} */ found) => found.type === test : test;
    const find = () => lines.slice(after).find(fits);
    return new Promise((resolve, reject) => {
      const end = (/** @type {() => void} */ finish) => {
        clearTimeout(timer);
        lookers.delete(look);
        finish();
      };
      const look = () => {
        const found = find();
        if (found) end(() => resolve(found));
      };
      const fail = (/** @type {string} */ why) => {
        const seen = lines.map(({ data, ...rest }) => JSON.stringify(rest)).slice(-30);
        end(() =>
          reject(new Error(`${why}, no line ${test}; saw\n${seen.join('\n')}\n${stderr.slice(-2000)}`)),
        );
      };
      const timer = setTimeout(() => fail(`${limit} ms are over`), limit);
      lookers.add(look);
      look();
      exit.then(() => setTimeout(() => lookers.has(look) && fail('the child exited'), 50));
    });
  }

  return {
    process: child,
    instance,
    lines,
    exit,
    line,
    get stderr() {
      return stderr;
    },
    /** @param {string} text */
    stderrHas: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!stderr.includes(text)) return;
          clearTimeout(timer);
          lookers.delete(look);
          resolve(null);
        };
        const timer = setTimeout(() => reject(new Error(`stderr has no "${text}": ${stderr}`)), LIMIT);
        lookers.add(look);
        look();
      }),
    /** @param {Line} command */
    send: (command) => child.stdin.write(`${JSON.stringify(command)}\n`),
    /** Resolves when the child has read a command and refused it: Node is alive, whatever its page does. */
    async answers() {
      const after = lines.length;
      child.stdin.write('{"type":"are you there"}\n');
      await line('command_error', { after });
    },
    ofType: (/** @type {string} */ type) => lines.filter((found) => found.type === type),
    /** Asks it to stop, and kills it if it does not. */
    async end() {
      if (child.exitCode === null && child.signalCode === null) child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      const status = await exit;
      clearTimeout(timer);
      return status;
    },
  };
}

/** @param {string} file below /proc/PID */
function ofEveryProcess(file) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return { pid: Number(pid), text: readFileSync(`/proc/${pid}/${file}`, 'utf8') };
      } catch {
        return { pid: Number(pid), text: '' };
      }
    });
}

/**
 * @param {string} marker
 * @returns {number[]} processes with it on their command line
 */
export function processesWith(marker) {
  return ofEveryProcess('cmdline')
    .filter(({ text }) => text.includes(marker))
    .map(({ pid }) => pid);
}

/**
 * @param {Child} child
 * @returns {Promise<number>} the pid of the browser itself, which puppeteer does not know behind a script that stays
 */
export async function browserOf(child) {
  await child.line('browser_started');
  const [pid, ...others] = processesWith(`--leadmasterd-instance=${child.instance}`).filter(
    (each) => !/\/(da|ba)?sh$/.test(readlinkSync(`/proc/${each}/exe`)),
  );
  if (others.length > 0) throw new Error(`several browsers: ${[pid, ...others]}`);
  return pid;
}

/**
 * @param {number} leader the browser's main process
 * @returns {number[]} living processes of its process group
 */
export function processesInGroup(leader) {
  return ofEveryProcess('stat')
    .filter(({ text }) => {
      const [state, , group] = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return Number(group) === leader && state !== 'Z';
    })
    .map(({ pid }) => pid);
}
