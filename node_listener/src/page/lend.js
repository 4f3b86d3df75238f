// @ts-nocheck: the page's modules have no types
// Runs in the page, before any of its own scripts and right after guard.js, on whose wrapped `require` it stands.
// The library attaches in one long function (Client.js:1023-1237): the first module it doesn't find ends it, and with it
// everything after. So modules that it touches on the way, but that no message needs, are lent where a build has none:
// WAWebCallCollection comes before `Msg.on('add')`, and without it, or without its Map, no message was ever heard
// (found by running the library against a page without it). What is lent is still reported as missing: see contract.js.
// Sent as source text (evaluateOnNewDocument), so it may use nothing from outside itself.

/** @param {{namespace: string}} config */
export function lendToPage(config) {
  const agent = globalThis[config.namespace];
  if (!agent || agent.lend) return;

  const nothing = () => {};
  /** Gives an object a function that it lacks; where that can't be done the library fails as it always did. */
  const complete = (holder, name, value) => {
    if (typeof holder[name] === 'function') return;
    try {
      holder[name] = value;
    } catch {
      // frozen
    }
  };
  const holdsMap = (exports) => Object.values(exports).some((value) => value instanceof Map);
  const orEmpty = (real) => real ?? {};

  /** Module -> what its asker gets: what the page has (undefined when nothing), or something harmless. */
  const lenders = {
    // Wrapped by its Map's `set` if it has an `on`: without one the library passes it over (Client.js:1066-1097).
    WAWebCallCollection: (real) => (real && (typeof real.on !== 'function' || holdsMap(real)) ? real : {}),
    // Only written to: isPlaceholderMessageResendEnabled (Client.js:1028).
    WAWebSyncGatingUtils: orEmpty,
    // `change:battery` in attach, `change:ref` for the QR, serialize() for ready.
    WAWebConnModel: (real) => {
      const Conn = real?.Conn ?? {};
      complete(Conn, 'on', nothing);
      complete(Conn, 'serialize', () => ({}));
      return real?.Conn ? real : { Conn };
    },
    // Chats removed, archived, read: nobody here listens. A sweep must see that there is no list, hence no more than `on`.
    WAWebCollections: (real) => {
      if (!real) return undefined;
      if (!real.Chat) return Object.create(real, { Chat: { value: { on: nothing }, enumerable: true } });
      complete(real.Chat, 'on', nothing);
      return real;
    },
    WAWebUserPrefsMeUser: (real) => {
      const known = real ?? {};
      complete(known, 'getMaybeMePnUser', () => null);
      complete(known, 'getMaybeMeLidUser', () => null);
      return known;
    },
    // Progress and logout events; a logout is seen by the page's address as well.
    WAWebCmd: (real) => {
      const Cmd = real?.Cmd ?? {};
      complete(Cmd, 'on', nothing);
      return real?.Cmd ? real : { Cmd };
    },
    WAWebOfflineHandler: (real) =>
      typeof real?.OfflineMessageHandler?.getOfflineDeliveryProgress === 'function'
        ? real
        : { OfflineMessageHandler: { getOfflineDeliveryProgress: () => 0 } },
    // Linking: all are asked for at every load (AuthStore.js:3-21), though a linked profile needs none of them.
    WAWebAltDeviceLinkingApi: orEmpty,
    WABase64: orEmpty,
    WAWebCompanionRegClientUtils: orEmpty,
    WAWebAdvSignatureApi: orEmpty,
    WAWebUserPrefsInfoStore: orEmpty,
    WAWebSignalStoreApi: orEmpty,
  };

  const lent = new Map();
  agent.lend = (module, ask) => {
    if (!Object.hasOwn(lenders, module)) return ask();
    let real;
    let failure;
    try {
      real = ask();
    } catch (error) {
      failure = error;
    }
    let usable;
    try {
      usable = lenders[module](real);
    } catch {
      usable = real;
    }
    if (usable === real && real !== undefined && real !== null) return real;
    if (usable === undefined || usable === null) {
      if (failure) throw failure;
      return usable;
    }
    if (!lent.has(module)) lent.set(module, usable);
    return lent.get(module);
  };
}
