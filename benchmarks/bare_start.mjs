// The bare library's own cold start on a linked profile: milliseconds from this process's start to `ready`.
//     node benchmarks/bare_start.mjs PROFILE BROWSER ARGUMENT...
import { createRequire } from 'node:module';

const require = createRequire(new URL('../node_listener/package.json', import.meta.url));
const { Client, LocalAuth } = require('whatsapp-web.js');
const [profile, executablePath, ...args] = process.argv.slice(2);

class OnThisProfile extends LocalAuth {
  async beforeBrowserInitialized() {
    this.client.options.puppeteer.userDataDir = profile;
    this.userDataDir = profile;
  }
}

const client = new Client({
  authStrategy: new OnThisProfile({ dataPath: `${profile}.bare` }),
  webVersionCache: { type: 'none' },
  puppeteer: { executablePath, args, pipe: true, handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false },
});
client.on('ready', async () => {
  process.stdout.write(`${Math.round(performance.now())}\n`);
  await client.destroy();
});
await client.initialize();
