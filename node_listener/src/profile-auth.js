// The library's "auth strategy": decides which profile the browser uses. Ours never deletes it. The library's LocalAuth
// removes the whole profile on LOGOUT while the browser still runs (LocalAuth.js, logout(); wwebjs#3346, #5662), and that
// is the only copy of the session. The daemon quarantines the profile instead.

/**
 * A strategy with every method that the library calls. Only afterBrowserInitialized() does something.
 * @param {{afterLaunch: () => Promise<void>}} hooks afterLaunch: runs when the browser is up and has loaded nothing yet
 */
export function createProfileAuth({ afterLaunch }) {
  let launched = false;
  return {
    setup() {},
    async beforeBrowserInitialized() {},
    async afterBrowserInitialized() {
      if (launched) return; // the library calls it again after a LOGOUT
      launched = true;
      await afterLaunch();
    },
    async onAuthenticationNeeded() {
      return { failed: false, restart: false, failureEventPayload: undefined };
    },
    async getAuthEventPayload() {},
    async afterAuthReady() {},
    async disconnect() {},
    async destroy() {},
    async logout() {},
  };
}
