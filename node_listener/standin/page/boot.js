// The page's start. To the library Debug.VERSION means that the modules are there. Here it is set last of what is
// synchronous, or under the way `modules: two_waves` before any module, as in the real page.

import { config } from './config.js';
import { runCommand } from './faults.js';
import { onCommand, restore, stayConnected } from './link.js';
import { installModules, isLate } from './modules.js';
import { reopenCheck } from './passkey.js';
import { session } from './report.js';
import { setMe, showState } from './socket.js';
import { loadPreferences, loadSession, openStorage } from './storage.js';

const setVersion = () => {
  if (!config.holds.includes('debug')) window.Debug = { VERSION: config.version };
};

const load = installModules();
onCommand(runCommand);
if (config.ways.modules === 'two_waves') {
  setVersion();
  setTimeout(() => load((name) => !isLate(name)));
  setTimeout(() => load(isLate), config.lateMs);
} else {
  load(() => true);
  setVersion();
}

async function start() {
  await openStorage();
  const linked = await loadSession();
  if (linked) {
    session.token = linked.token;
    setMe(linked.me);
    await loadPreferences();
    // The real page restores its chats when the server has said how much waits.
    if (config.ways.resume === 'blocking') await restore();
    reopenCheck();
  }
  performance.mark('standin-loaded');
  showState();
  await stayConnected();
}

start();
