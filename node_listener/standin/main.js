// Starts the stand-in for programs other than Node: one JSON line on stdout says where it is, then it serves until stdin
// closes or SIGTERM comes.

import { parseArgs } from 'node:util';
import { startStandin } from './server.js';
import { parseWays } from './ways.js';

const { values } = parseArgs({
  options: {
    'key-shape': { type: 'string' },
    'wid-shape': { type: 'string' },
    version: { type: 'string' },
    'qr-first': { type: 'string' },
    'qr-period': { type: 'string' },
    'page-size': { type: 'string' },
    retry: { type: 'string' },
    ways: { type: 'string' },
    way: { type: 'string', multiple: true },
    'history-ms': { type: 'string' },
    'sync-limit-ms': { type: 'string' },
    'late-ms': { type: 'string' },
    'resume-ms': { type: 'string' },
    'load-retry': { type: 'string' },
    'passkey-limit': { type: 'string' },
    'code-limit': { type: 'string' },
    'page-port': { type: 'string' },
    'control-port': { type: 'string' },
    'no-auto-presence': { type: 'boolean' },
  },
});

const { 'no-auto-presence': quiet, ways: side, way = [], ...others } = values;
const ways = /** @type {import('./options.js').GivenOptions['ways']} */ ({ side, ...parseWays(way) });
const TEXTS = new Set(['key-shape', 'wid-shape', 'version']);
const given = Object.entries(others).map(([name, value]) => [
  name.replace(/-(.)/g, (_, letter) => letter.toUpperCase()),
  TEXTS.has(name) ? value : Number(value),
]);

const standin = await startStandin({ ...Object.fromEntries(given), ways, autoPresence: !quiet });
const { pagePort, control, browserArgs } = standin;
process.stdout.write(`${JSON.stringify({ page_port: pagePort, control, browser_args: browserArgs })}\n`);

let closing = false;
async function stop() {
  if (closing) return;
  closing = true;
  await standin.close();
  process.exit(0);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.stdin.on('end', stop).on('error', stop).resume();
