// The page's start. Debug.VERSION comes last of what is synchronous: the library takes it as "the modules are there".

import { config } from './config.js';
import { stayConnected } from './link.js';
import { installModules } from './modules.js';
import { session } from './report.js';
import { setMe, showState } from './socket.js';
import { loadSession, openStorage } from './storage.js';
import { loadWorld } from './world.js';

installModules();
if (!config.holds.includes('debug')) window.Debug = { VERSION: config.version };

async function start() {
  await openStorage();
  const linked = await loadSession();
  if (linked) {
    session.token = linked.token;
    setMe(linked.me);
    await loadWorld();
  }
  performance.mark('standin-loaded');
  showState();
  await stayConnected();
}

start();
