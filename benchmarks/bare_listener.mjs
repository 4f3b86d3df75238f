// A listener on the bare library, as its README has it: LocalAuth, and each message is a line of a file. It exits when the
// library says that it is disconnected and, which the README does not ask for, when its browser has gone; `listeners.py`
// starts it again.
//     node benchmarks/bare_listener.mjs FOLDER BROWSER ARGUMENT...
import { appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(new URL('../node_listener/package.json', import.meta.url));
const { Client, LocalAuth } = require('whatsapp-web.js');
const [folder, executablePath, ...args] = process.argv.slice(2);

/** @param {object} said */
const write = (said) => appendFileSync(join(folder, 'heard.jsonl'), `${JSON.stringify(said)}\n`);

const client = new Client({
  authStrategy: new LocalAuth({ dataPath: folder }),
  webVersionCache: { type: 'none' },
  puppeteer: { executablePath, args },
});
client.on('qr', () => write({ event: 'qr', pid: process.pid }));
client.on('ready', () => write({ event: 'ready', pid: process.pid }));
client.on('message', (message) => write({ event: 'message', id: message.id.id, body: message.body }));
client.on('auth_failure', () => process.exit(1));
client.on('disconnected', () => process.exit(1));
await client.initialize();
client.pupBrowser.on('disconnected', () => process.exit(1));
