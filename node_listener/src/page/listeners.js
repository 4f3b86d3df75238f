// Runs in the page, before any of its own scripts and right after shims.js: wraps the listeners by which the library and we
// subscribe to the page's events, so that what they throw is reported and does not reach the page. WhatsApp Web calls its
// listeners one after the other without catching what they throw (WAWebEventEmitter, build of 2026-04-27). An exception in one
// of ours would skip the page's own listeners, and leave `Msg.add` before the message is in its chat, where no sweep would find
// it. Sent as source text (evaluateOnNewDocument), so it may use nothing from outside itself.

/**
 * Adds failed() and safely() to the agent, and wraps its shim() so that the page's emitters wrap the listeners of the library.
 * @param {{namespace: string}} config
 */
export function guardListeners(config) {
  const page = /** @type {any} */ (globalThis);
  /** @type {import('./page.js').Agent | undefined} */
  const agent = page[config.namespace];
  if (!agent || Object.hasOwn(agent, 'safely')) return;

  /** @type {Record<string, string[]>} module -> emitters in its exports that the library subscribes to */
  const EMITTERS = {
    WAWebCollections: ['Msg', 'Chat'],
    WAWebSocketModel: ['Socket'],
    WAWebConnModel: ['Conn'],
    WAWebCmd: ['Cmd'],
  };
  /** @type {Map<string, number>} message -> when it was last reported, in milliseconds */
  const lastReports = new Map();
  /** @type {WeakMap<Function, Function>} listener -> what was subscribed in its place, to find it when it unsubscribes */
  const wrappers = new WeakMap();
  const wrapperOrItself = (/** @type {any} */ listener) =>
    typeof listener === 'function' ? (wrappers.get(listener) ?? listener) : listener;
  const guardedEmitters = new WeakSet();
  /**
   * Whether the code that runs now is the library's or ours: the listeners that it subscribes are wrapped. It has called
   * window.require(), which the page's own code never does. Reset when that code has ended.
   */
  let isOursRunning = false;
  /** How many wrapped listeners run. What they require() does not set it: the page's own code goes on once they have returned. */
  let listenersRunning = 0;

  agent.failed = (where, error) => {
    const message = `${where}: ${error}`;
    const now = Date.now();
    const isRecent = now - (lastReports.get(message) ?? 0) < 1000;
    if (isRecent || lastReports.size > 1000) return; // an endless number of different messages is not kept
    lastReports.set(message, now);
    agent.report({ kind: 'page_error', source: 'listener', message });
  };

  agent.safely = (/** @type {string} */ where, /** @type {Function} */ listener) => {
    const round = agent.attaching ? agent.round : null;
    /**
     * @this {any}
     * @param {any[]} args
     */
    function safe(...args) {
      // subscribed by an attempt to attach that failed half-way: a later attempt has subscribed its own
      if (round !== null && round !== agent?.round) return undefined;
      listenersRunning += 1;
      try {
        return listener.apply(this, args);
      } catch (error) {
        agent?.failed(where, error);
        return undefined;
      } finally {
        listenersRunning -= 1;
      }
    }
    wrappers.set(listener, safe);
    wrappers.set(safe, safe); // so that it is not wrapped again
    return /** @type {any} */ (safe);
  };

  /**
   * Replaces `on` and `off` of an emitter, once: `on` subscribes the wrapper of a listener of the library, and `off` finds it.
   * @param {any} emitter
   * @param {string} name for reports
   */
  const guard = (emitter, name) => {
    if (!emitter || typeof emitter.on !== 'function' || guardedEmitters.has(emitter)) return;
    guardedEmitters.add(emitter);
    const { on, off } = emitter;
    /**
     * @param {string} method
     * @param {Function} original
     * @param {(events: string, listener: any) => any} change gives the listener to pass on instead
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
      const isNewOfOurs = isOursRunning && typeof listener === 'function' && !wrappers.has(listener);
      return isNewOfOurs ? agent.safely(`${name} ${events}`, listener) : wrapperOrItself(listener);
    });
    if (typeof off === 'function') replace('off', off, (_, listener) => wrapperOrItself(listener));
  };

  const innerShim = agent.shim;
  agent.shim = (module, load) => {
    const before = isOursRunning;
    isOursRunning = false; // loading a module may run it, and what it subscribes to is the page's own
    let exports;
    try {
      exports = innerShim ? innerShim(module, load) : load();
    } finally {
      isOursRunning = before;
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
    if (listenersRunning === 0 && !isOursRunning) {
      isOursRunning = true;
      queueMicrotask(() => {
        isOursRunning = false;
      });
    }
    return exports;
  };
}
