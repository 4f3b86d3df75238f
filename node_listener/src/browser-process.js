// The browser that the library has launched: closing it gracefully, killing it, and why it is not there.
import { ignorePipeErrors } from './browser.js';

/** @param {import('whatsapp-web.js').Client} client */
export function createBrowserProcess(client) {
  /** @type {(value?: unknown) => void} */
  let launchEnded = () => {};
  const launch = new Promise((resolve) => {
    launchEnded = resolve;
  });

  return {
    /** The browser runs, or will not be launched any more: close() waits for this. */
    launchEnded() {
      launchEnded();
      ignorePipeErrors(client.pupBrowser?.process() ?? null);
    },

    /** Gracefully, so that localStorage survives. */
    async close() {
      await launch;
      await client.destroy();
    },

    /** Kills every process of it. */
    kill() {
      const pid = client.pupBrowser?.process()?.pid;
      if (pid === undefined) return;
      try {
        process.kill(-pid, 'SIGKILL'); // puppeteer makes the browser the leader of a process group of its own
      } catch {
        // no process left
      }
    },

    /** @returns {'browser_failed' | 'initialize_failed' | 'browser_gone'} why initialize() failed, as the reason of `bye` */
    failure() {
      if (!client.pupBrowser) return 'browser_failed';
      return client.pupBrowser.connected ? 'initialize_failed' : 'browser_gone';
    },
  };
}
