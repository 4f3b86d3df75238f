// Runs in the page, before any of its own scripts and right after guard.js, whose wrapped `require` it extends.
// The library attaches in one long function (Client.js:1023-1237): the first module it does not find ends it, and
// everything after is skipped. So modules that it touches on the way, but that no message needs, are filled in where a
// build lacks them: WAWebCallCollection comes before `Msg.on('add')`, and without it, or without its Map, no message was
// ever heard (found by running the library against a page without it). A shim still counts as missing: see
// compatibility.js. Sent as source text (evaluateOnNewDocument), so it may use nothing from outside itself.

/**
 * Gives the agent its shim(), which the wrapped `require` asks for every module.
 * @param {{namespace: string}} config
 */
export function installShims(config) {
  /** @type {import('./page.js').Agent | undefined} */
  const agent = /** @type {any} */ (globalThis)[config.namespace];
  if (!agent || agent.shim) return;

  const doNothing = () => {};
  /**
   * Gives an object a function that it lacks. Where it cannot be changed, the library will fail as it does without us.
   * @param {any} holder
   * @param {string} name
   * @param {Function} value
   */
  const complete = (holder, name, value) => {
    if (typeof holder[name] === 'function') return;
    try {
      holder[name] = value;
    } catch {
      // frozen
    }
  };
  const orEmpty = (/** @type {any} */ real) => real ?? {};

  /**
   * Module -> what require() returns for it: given the real exports (undefined where the build has no such module), the function
   * returns these, completed where something is missing, or a harmless replacement.
   * @type {Record<string, (real: any) => any>}
   */
  const shims = {
    // The library wraps `set` of the module's Map if the module has an `on` (Client.js:1066-1097). It is given an empty module
    // while it attaches, and wraps nothing: watch-calls.js does that, and more.
    WAWebCallCollection: (real) => (agent.attaching || !real ? {} : real),
    // The library only sets a property of it: isPlaceholderMessageResendEnabled (Client.js:1028).
    WAWebSyncGatingUtils: orEmpty,
    // The library subscribes to `change:battery` and, for QR codes, to `change:ref`, and calls serialize() before it is ready.
    WAWebConnModel: (real) => {
      const Conn = real?.Conn ?? {};
      complete(Conn, 'on', doNothing);
      complete(Conn, 'serialize', () => ({}));
      return real?.Conn ? real : { Conn };
    },
    // The library subscribes to chats that are removed, archived or read, which nobody here needs. Only `on` is filled in, so
    // that a sweep still notices where the list of chats is missing.
    WAWebCollections: (real) => {
      if (!real) return undefined;
      if (!real.Chat) return Object.create(real, { Chat: { value: { on: doNothing }, enumerable: true } });
      complete(real.Chat, 'on', doNothing);
      return real;
    },
    WAWebUserPrefsMeUser: (real) => {
      const known = real ?? {};
      complete(known, 'getMaybeMePnUser', () => null);
      complete(known, 'getMaybeMeLidUser', () => null);
      return known;
    },
    // The library subscribes to progress and logout events. The page's address shows a logout as well.
    WAWebCmd: (real) => {
      const Cmd = real?.Cmd ?? {};
      complete(Cmd, 'on', doNothing);
      return real?.Cmd ? real : { Cmd };
    },
    WAWebOfflineHandler: (real) =>
      typeof real?.OfflineMessageHandler?.getOfflineDeliveryProgress === 'function'
        ? real
        : { OfflineMessageHandler: { getOfflineDeliveryProgress: () => 0 } },
    // Linking: all are required at every load (AuthStore.js:3-21), though a linked profile needs none of them.
    WAWebAltDeviceLinkingApi: orEmpty,
    WABase64: orEmpty,
    WAWebCompanionRegClientUtils: orEmpty,
    WAWebAdvSignatureApi: orEmpty,
    WAWebUserPrefsInfoStore: orEmpty,
    WAWebSignalStoreApi: orEmpty,
  };

  /** Module -> its replacement, so that every require() returns the same one. */
  const replacements = new Map();
  // What cannot be loaded and has no replacement throws as it does without us.
  agent.shim = (module, load) => {
    if (!Object.hasOwn(shims, module)) return load();
    let real;
    let failure;
    try {
      real = load();
    } catch (error) {
      failure = error;
    }
    let usable;
    try {
      usable = shims[module](real);
    } catch {
      usable = real;
    }
    if (usable === real && real !== undefined && real !== null) return real;
    if (usable === undefined || usable === null) {
      if (failure) throw failure;
      return usable;
    }
    if (!replacements.has(module)) replacements.set(module, usable);
    return replacements.get(module);
  };
}
