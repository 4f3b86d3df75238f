// Kills parts of a browser that shows this stand-in. A page cannot crash its own renderer (chrome://crash is closed to
// it, and filling the heap takes minutes), so it is done from outside: the browser is found by the port in its
// --host-resolver-rules, its renderers as its descendants. Linux only, like the rest of this program.

import { readdirSync, readFileSync } from 'node:fs';

/** @typedef {{pid: number, parent: number, command: string}} Process */

/** The processes of this machine. @returns {Process[]} */
function processes() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return [{ pid: Number(name), parent, command }];
      } catch {
        return []; // it ended while we looked
      }
    });
}

/**
 * Kills the browsers that show the stand-in at a port, or their renderers.
 * @param {number} pagePort
 * @param {'renderer' | 'browser'} what
 * @returns {number[]} the processes that were killed
 */
export function crash(pagePort, what) {
  const all = processes();
  const marker = `web.whatsapp.com:443 127.0.0.1:${pagePort},`;
  const browsers = all.filter(({ command }) => command.includes(marker) && !command.includes('--type='));
  // a script that has started the browser carries the same arguments: what is below it would be found twice
  const renderers = new Set(browsers.flatMap(({ pid }) => renderersBelow(pid, all)));
  const found = what === 'browser' ? browsers : [...renderers];
  for (const { pid } of found) process.kill(pid, 'SIGKILL');
  return found.map(({ pid }) => pid);
}

/**
 * The renderers among the descendants of a process.
 * @param {number} pid
 * @param {Process[]} all
 * @returns {Process[]}
 */
function renderersBelow(pid, all) {
  return all
    .filter(({ parent }) => parent === pid)
    .flatMap((child) => {
      const here = child.command.includes('--type=renderer') ? [child] : [];
      return [...here, ...renderersBelow(child.pid, all)];
    });
}
