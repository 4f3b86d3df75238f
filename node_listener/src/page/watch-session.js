// Runs in the page from its start: reports what the page's events say of the session, also before the library has injected. When
// this device is unlinked the page reloads at once, mostly without a reason in its address (WAWebReloadAfterLogout, build of
// 2026-04-27), so only its own events show that. Each listener reports at once, before the reload can come.
// Sent as source text together with the other page scripts (see install.js).

/**
 * Subscribes, in the main frame of each document, to each module once it is loaded. Adds to the agent what was heard
 * (`session`) and listen(), which looks for modules at once.
 * @param {import('./install.js').PageConfig} config
 */
export function watchSession(config) {
  /** @type {import('./page.js').Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {import('./page.js').Agent | undefined} */
  const agent = page[config.namespace];
  if (page.top !== page || !agent || agent.session) return;
  /** @type {import('./page.js').Session} */
  const session = { signs: new Set(), passkey: null };
  agent.session = session;
  agent.report({ kind: 'started' });

  /**
   * Milliseconds until modules that are not loaded are looked for again: soon while a main one is missing, for a minute at most,
   * since it may be gone from this build.
   */
  const SOON = 25;
  const LATER = 2_000;
  const SOON_FOR = 60_000;
  const started = Date.now();

  /**
   * Subscribes to events of an emitter.
   * @param {any} emitter
   * @param {Record<string, (given: any) => void>} listeners event -> listener
   */
  const subscribeTo = (emitter, listeners) => {
    for (const [event, listener] of Object.entries(listeners)) {
      emitter.on(event, agent.safely(event, listener));
    }
  };
  /** Makes a listener that reports a step of a logout. */
  const reportLogout = (/** @type {'starting' | 'done'} */ step) => () => {
    session.signs.add('logout');
    agent.report({ kind: 'logout', step });
  };
  /** Makes a listener that notes a passkey step, which watch-screens.js then reports. Only the step `code` comes with a code. */
  const notePasskey =
    (/** @type {import('./page.js').PasskeyStep} */ step) => (/** @type {unknown} */ given) => {
      const code = step === 'code' && typeof given === 'string' ? given : null;
      session.passkey = { step, code, at: Date.now(), seen: false };
      agent.look?.();
    };

  /** @type {Record<string, (exports: any) => void>} module -> subscribes to its events; those that are done are removed */
  const modules = {
    WAWebSocketModel: ({ Socket }) => {
      const reportState = () => {
        agent.report({ kind: 'state', state: Socket.state ?? null, stream: Socket.stream ?? null });
        agent.look?.();
      };
      subscribeTo(Socket, { 'change:state': reportState, 'change:stream': reportState });
      reportState();
    },
    // `starting_…` comes when the server or the page itself unlinks us, but not when a connection is refused (401, 403, 406)
    WAWebCmd: ({ Cmd }) =>
      subscribeTo(Cmd, {
        starting_logout_from_bridge: reportLogout('starting'),
        logout_from_bridge: reportLogout('done'),
        logout: reportLogout('done'),
        // said at each successful connection too, with `banned` false (WAWebHandleSuccess, 2026-04-27)
        account_temporarily_banned_from_bridge: (ban) => {
          if (ban?.banned === false) {
            session.signs.delete('temporary_ban');
            return;
          }
          session.signs.add('temporary_ban');
          const { code = null, expire = null, message = null } = ban ?? {};
          agent.report({ kind: 'banned', code, expire, message });
        },
        service_unavailable_503_from_bridge: () => agent.report({ kind: 'unavailable', code: 503 }),
      }),
    // The names of a later build (mid 2026); in that of 2026-04-27 the module has none of them.
    WAWebLinkDeviceEvents: ({ WAWebLinkDeviceEvents }) =>
      subscribeTo(WAWebLinkDeviceEvents, {
        'link_device_events:passkey_prologue_request': notePasskey('asked'),
        'link_device_events:shortcake_prologue_sent': notePasskey('working'),
        'link_device_events:shortcake_verification_code_ready': notePasskey('code'),
        'link_device_events:shortcake_error': notePasskey('failed'),
      }),
    WAWebStorageCmd: ({ StorageCmd }) => {
      const noteFullDisk = () => session.signs.add('disk_full');
      subscribeTo(StorageCmd, {
        storage_not_enough_space: noteFullDisk,
        cache_storage_open_failed: noteFullDisk,
      });
    },
  };

  /** Subscribes to the modules that are loaded by now. */
  const listen = () => {
    for (const [module, subscribe] of Object.entries(modules)) {
      try {
        // asking for a module runs it, so not before the page says that it is up
        if (page.Debug.VERSION === undefined) break;
        subscribe(agent.requireOriginal(module));
        delete modules[module];
      } catch {
        // not loaded yet, or not in this build
      }
    }
  };
  /** Subscribes again and again, until no module is left. */
  const listenToAll = () => {
    listen();
    const isMainMissing = 'WAWebSocketModel' in modules || 'WAWebCmd' in modules;
    const isSoon = isMainMissing && Date.now() - started < SOON_FOR;
    if (Object.keys(modules).length > 0) setTimeout(listenToAll, isSoon ? SOON : LATER);
  };
  agent.listen = listen;
  listenToAll();
}
