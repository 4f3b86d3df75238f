// The browser that the library launches: closing it gracefully, killing it, and why a start failed.
import { ignorePipeErrors } from './browser.js';

/** @param {import('whatsapp-web.js').Client} client */
export function createBrowserProcess(client) {
  /** @type {(value?: unknown) => void} */
  let launchEnded = () => {};
  const launch = new Promise((resolve) => {
    launchEnded = resolve;
  });

  return {
    /** To be called once the browser runs, or its launch has failed: close() waits for this. */
    launchEnded() {
      launchEnded();
      ignorePipeErrors(client.pupBrowser?.process() ?? null);
    },

    /** Closes it gracefully, so that localStorage survives. Waits first for a launch that has not ended. */
    async close() {
      await launch;
      await client.destroy();
    },

    /** Kills every process of it. Does nothing when there is none. */
    kill() {
      const pid = client.pupBrowser?.process()?.pid;
      if (pid === undefined) return;
      try {
        process.kill(-pid, 'SIGKILL'); // puppeteer makes the browser the leader of a process group of its own
      } catch {
        // no process left
      }
    },

    /**
     * Why initialize() failed, as the reason of `bye`.
     * @returns {'browser_failed' | 'initialize_failed' | 'browser_gone'} it did not start; it runs, but the
     *   page failed; it has ended
     */
    failure() {
      if (!client.pupBrowser) return 'browser_failed';
      return client.pupBrowser.connected ? 'initialize_failed' : 'browser_gone';
    },
  };
}
