// Runs in the page from its start: what it says of the session while nobody has injected yet, or will in time. Being
// unlinked reloads the page at once, mostly without a word in the address (WAWebReloadAfterLogout, build of 2026-04-27), so
// only its own events tell that. Reports go to Node in the very call, which the reload does not take back.
// Sent as source text together with the other page scripts (see install.js).

/** @param {import('./install.js').PageConfig} config */
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

  /** How often a module is asked for until it is there: those of the session soon, unless they are missing for good. */
  const SOON = 25;
  const LATER = 2_000;
  const started = Date.now();

  /**
   * @param {any} emitter
   * @param {Record<string, (given: any) => void>} listeners
   */
  const hear = (emitter, listeners) => {
    for (const [event, listener] of Object.entries(listeners))
      emitter.on(event, agent.safely(event, listener));
  };
  const leaving = (/** @type {'starting' | 'done'} */ step) => () => {
    session.signs.add('logout');
    agent.report({ kind: 'logout', step });
  };
  const passkey = (/** @type {import('./page.js').PasskeyStep} */ step) => (/** @type {unknown} */ code) => {
    const known = step === 'code' && typeof code === 'string' ? code : null;
    session.passkey = { step, code: known, at: Date.now(), seen: false };
    agent.look?.();
  };

  /** @type {Record<string, (exports: any) => void>} */
  const modules = {
    WAWebSocketModel: ({ Socket }) => {
      const tell = () => {
        agent.report({ kind: 'state', state: Socket.state ?? null, stream: Socket.stream ?? null });
        agent.look?.();
      };
      hear(Socket, { 'change:state': tell, 'change:stream': tell });
      tell();
    },
    // `starting_…` when the server or the page itself unlinks us; a refused connection (401, 403, 406) skips it
    WAWebCmd: ({ Cmd }) =>
      hear(Cmd, {
        starting_logout_from_bridge: leaving('starting'),
        logout_from_bridge: leaving('done'),
        logout: leaving('done'),
        // said at each successful connection too, with `banned` false (WAWebHandleSuccess, 2026-04-27)
        account_temporarily_banned_from_bridge: (ban) => {
          if (ban?.banned === false) return void session.signs.delete('temporary_ban');
          session.signs.add('temporary_ban');
          const { code = null, expire = null, message = null } = ban ?? {};
          agent.report({ kind: 'banned', code, expire, message });
        },
        service_unavailable_503_from_bridge: () => agent.report({ kind: 'unavailable', code: 503 }),
      }),
    // The names of a later build (mid 2026); in that of 2026-04-27 the module has none of them.
    WAWebLinkDeviceEvents: ({ WAWebLinkDeviceEvents }) =>
      hear(WAWebLinkDeviceEvents, {
        'link_device_events:passkey_prologue_request': passkey('asked'),
        'link_device_events:shortcake_prologue_sent': passkey('working'),
        'link_device_events:shortcake_verification_code_ready': passkey('code'),
        'link_device_events:shortcake_error': passkey('failed'),
      }),
    WAWebStorageCmd: ({ StorageCmd }) => {
      const full = () => session.signs.add('disk_full');
      hear(StorageCmd, { storage_not_enough_space: full, cache_storage_open_failed: full });
    },
  };

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
  const listenAgain = () => {
    listen();
    const waits = 'WAWebSocketModel' in modules || 'WAWebCmd' in modules;
    const soon = waits && Date.now() - started < 60_000;
    if (Object.keys(modules).length > 0) setTimeout(listenAgain, soon ? SOON : LATER);
  };
  agent.listen = listen;
  listenAgain();
}
