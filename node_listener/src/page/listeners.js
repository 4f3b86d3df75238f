// Runs in the page, before any of its own scripts and right after shims.js: what the library and we subscribe to in the page.
// WhatsApp Web calls its listeners one after the other without catching what they throw (WAWebEventEmitter, build of
// 2026-04-27). An exception in one of ours would skip the page's own listeners, and leave `Msg.add` before the message is in
// its chat, where no sweep would find it. So such a listener is wrapped, and what it throws is reported instead.
// Sent as source text (evaluateOnNewDocument), so it may use nothing from outside itself.

/** @param {{namespace: string}} config */
export function guardListeners(config) {
  const page = /** @type {any} */ (globalThis);
  /** @type {import('./page.js').Agent | undefined} */
  const agent = page[config.namespace];
  if (!agent || Object.hasOwn(agent, 'safely')) return;

  /** @type {Record<string, string[]>} */
  const EMITTERS = {
    WAWebCollections: ['Msg', 'Chat'],
    WAWebSocketModel: ['Socket'],
    WAWebConnModel: ['Conn'],
    WAWebCmd: ['Cmd'],
  };
  /** @type {Map<string, number>} */
  const reported = new Map();
  /** @type {WeakMap<Function, Function>} */
  const wrappers = new WeakMap();
  const wrapped = (/** @type {any} */ listener) =>
    typeof listener === 'function' ? (wrappers.get(listener) ?? listener) : listener;
  const guarded = new WeakSet();
  /** Whoever subscribes now is the library or we: nobody else calls window.require(), and it was called in this run. */
  let ours = false;
  /** Depth of our listeners in this run: what follows after them is the page's own code again. */
  let inside = 0;

  agent.failed = (where, error) => {
    const message = `${where}: ${error}`;
    const now = Date.now();
    if (now - (reported.get(message) ?? 0) < 1000 || reported.size > 1000) return;
    reported.set(message, now);
    agent.report({ kind: 'page_error', source: 'listener', message });
  };

  agent.safely = (/** @type {string} */ where, /** @type {Function} */ listener) => {
    const round = agent.attaching ? agent.round : null;
    /**
     * @this {any}
     * @param {any[]} args
     */
    function safe(...args) {
      // of an attempt to attach that failed half-way: another one has taken its place
      if (round !== null && round !== agent?.round) return undefined;
      inside += 1;
      try {
        return listener.apply(this, args);
      } catch (error) {
        agent?.failed(where, error);
        return undefined;
      } finally {
        inside -= 1;
      }
    }
    wrappers.set(listener, safe);
    wrappers.set(safe, safe);
    return /** @type {any} */ (safe);
  };

  /**
   * @param {any} emitter
   * @param {string} name
   */
  const guard = (emitter, name) => {
    if (!emitter || typeof emitter.on !== 'function' || guarded.has(emitter)) return;
    guarded.add(emitter);
    const { on, off } = emitter;
    /**
     * @param {string} method
     * @param {Function} original
     * @param {(events: string, listener: any) => any} change
     */
    const replace = (method, original, change) => {
      /**
       * @this {any}
       * @param {string} events
       * @param {any} listener
       * @param {any[]} rest
       */
      function replacement(events, listener, ...rest) {
        return original.call(this, events, change(events, listener), ...rest);
      }
      Object.defineProperty(emitter, method, { value: replacement, configurable: true, writable: true });
    };
    // `once` comes here as well: it subscribes by `this.on`
    replace('on', on, (events, listener) => {
      const wrap = ours && typeof listener === 'function' && !wrappers.has(listener);
      return wrap ? agent.safely(`${name} ${events}`, listener) : wrapped(listener);
    });
    if (typeof off === 'function') replace('off', off, (_, listener) => wrapped(listener));
  };

  const shim = agent.shim;
  agent.shim = (module, original) => {
    const before = ours;
    ours = false; // asking for a module may run it, and what it subscribes to is the page's own
    let exports;
    try {
      exports = shim ? shim(module, original) : original();
    } finally {
      ours = before;
    }
    if (Object.hasOwn(EMITTERS, module)) {
      for (const name of EMITTERS[module]) {
        try {
          guard(exports?.[name], name);
        } catch {
          // frozen: its listeners stay unwrapped
        }
      }
      agent.listen?.(); // watch-session.js may have waited for it
    }
    if (inside === 0 && !ours) {
      ours = true;
      queueMicrotask(() => {
        ours = false;
      });
    }
    return exports;
  };
}
