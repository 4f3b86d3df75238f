// The page's start. Debug.VERSION is set last of what is synchronous: to the library it means that the modules are there.

import { config } from './config.js';
import { runCommand } from './faults.js';
import { onCommand, stayConnected } from './link.js';
import { installModules } from './modules.js';
import { reopenCheck } from './passkey.js';
import { session } from './report.js';
import { setMe, showState } from './socket.js';
import { loadPreferences, loadSession, openStorage } from './storage.js';
import { loadWorld } from './world.js';

installModules();
onCommand(runCommand);
if (!config.holds.includes('debug')) window.Debug = { VERSION: config.version };

async function start() {
  await openStorage();
  const linked = await loadSession();
  if (linked) {
    session.token = linked.token;
    setMe(linked.me);
    await loadPreferences();
    await loadWorld(config.ways.chats_in_memory);
    reopenCheck();
  }
  performance.mark('standin-loaded');
  showState();
  await stayConnected();
}

start();
