// @ts-nocheck: the page's modules have no types
// Runs in the page, before any of its own scripts: wraps what sends. An attempt throws and is told to Node.
// Sent as source text (evaluateOnNewDocument), so it may use nothing from outside itself.

/**
 * @param {{modules: Record<string, string[]>, gentle: string[], namespace: string, report: string}} config
 *   modules: module -> paths of functions that send; `send*` for all that begin so, `Cmd.send*` for those of a member;
 *   gentle: `module.function` that answer with a rejected promise instead of throwing
 */
export function guardPage(config) {
  const page = /** @type {any} */ (globalThis);
  if (page[config.namespace]) return;

  const blockers = new WeakSet();
  const reported = new Map();

  /** At most one report a second for each function: a page that tries in a loop must not fill the wire. */
  const report = (module, name) => {
    const key = `${module}.${name}`;
    const now = Date.now();
    if (now - (reported.get(key) ?? 0) < 1000) return;
    reported.set(key, now);
    page[config.report]?.({ kind: 'outbound_blocked', module, function: name })?.catch?.(() => {});
  };

  const blocker = (module, name) => {
    const block = () => {
      report(module, name);
      const error = new Error(`leadmasterd only listens: ${module}.${name} was refused`);
      if (!config.gentle.includes(`${module}.${name}`)) throw error;
      const refusal = Promise.reject(error);
      refusal.catch(() => {}); // where nobody waits for it, it is no error of the page
      return refusal;
    };
    blockers.add(block);
    return block;
  };

  /** Own and inherited function names: `Cmd` and `Socket` are instances of classes. */
  const functionNames = (holder) => {
    const names = new Set();
    for (
      let at = holder;
      at && at !== Object.prototype && at !== Function.prototype;
      at = Object.getPrototypeOf(at)
    ) {
      for (const name of Object.getOwnPropertyNames(at)) names.add(name);
    }
    return [...names].filter((name) => {
      if (name === 'constructor') return false;
      try {
        return typeof holder[name] === 'function';
      } catch {
        return false;
      }
    });
  };

  /** Replaces a function in place, so that the page's own callers meet it too. */
  const block = (holder, name, module, label) => {
    if (typeof holder[name] !== 'function' || blockers.has(holder[name])) return true;
    const value = blocker(module, label);
    try {
      holder[name] = value;
    } catch {
      // a read-only export: try the descriptor
    }
    if (holder[name] === value) return true;
    try {
      Object.defineProperty(holder, name, { value, configurable: true, writable: true, enumerable: true });
    } catch {
      // frozen: the proxy below stands before it
    }
    return holder[name] === value;
  };

  const blockPath = (exports, path, module) => {
    const steps = path.split('.');
    const last = steps.pop();
    let holder = exports;
    for (const step of steps) holder = holder?.[step];
    if (holder === null || (typeof holder !== 'object' && typeof holder !== 'function')) return true;
    const prefix = steps.length > 0 ? `${steps.join('.')}.` : '';
    const names = last.endsWith('*')
      ? functionNames(holder).filter((name) => name.startsWith(last.slice(0, -1)))
      : [last];
    return names.map((name) => block(holder, name, module, prefix + name)).every(Boolean);
  };

  /** For exports that can't be changed in place: whoever asks by require() gets this instead. */
  const proxies = new WeakMap();
  const proxied = (exports, module, paths) => {
    const known = proxies.get(exports);
    if (known) return known;
    const own = paths.filter((path) => !path.includes('.'));
    const isGuarded = (name) =>
      own.some((path) => (path.endsWith('*') ? name.startsWith(path.slice(0, -1)) : name === path));
    const proxy = new Proxy(exports, {
      get(target, name, receiver) {
        const value = Reflect.get(target, name, receiver);
        return typeof value === 'function' && isGuarded(String(name)) ? blocker(module, String(name)) : value;
      },
    });
    proxies.set(exports, proxy);
    return proxy;
  };

  const guarded = (module, exports) => {
    const paths = config.modules[module];
    if (!paths || exports === null || (typeof exports !== 'object' && typeof exports !== 'function'))
      return exports;
    try {
      const done = paths.map((path) => blockPath(exports, path, module)).every(Boolean);
      if (done) return exports;
      return proxied(exports, module, paths);
    } catch {
      return exports; // never break listening; what the library sends with is blocked in WWebJS as well
    }
  };

  /** Object functions (own properties like require.ensure) must stay reachable, hence a proxy and not a new function. */
  const wrapped = new WeakSet();
  let unwrapped = null;
  const wrapRequire = (original) => {
    if (typeof original !== 'function' || wrapped.has(original)) return original;
    unwrapped = original;
    const proxy = new Proxy(original, {
      apply(target, self, args) {
        const ask = () => Reflect.apply(target, self, args);
        return guarded(args[0], agent.lend ? agent.lend(args[0], ask) : ask());
      },
    });
    wrapped.add(proxy);
    return proxy;
  };

  /** The page may have declared a `require` of its own over the trap. */
  const ensureTrap = () => {
    if (typeof page.require === 'function' && !wrapped.has(page.require)) trap('require', wrapRequire);
  };

  /**
   * Asks for every guarded module once, which wraps it for the page's own callers too. Not before the page is up: asking
   * for a module runs it. What a build does not have is passed over.
   */
  const guardAll = () => {
    ensureTrap();
    for (const module of Object.keys(config.modules)) {
      try {
        page.require(module);
      } catch {
        // not in this build
      }
    }
  };

  /** A property that passes what is put into it through `change`. */
  const trap = (name, change) => {
    let value = change(page[name]);
    Object.defineProperty(page, name, {
      configurable: true,
      enumerable: true,
      get: () => value,
      set: (next) => {
        value = change(next);
      },
    });
  };

  const agent = {
    document: `${Date.now()}-${Math.random()}`,
    guardAll,
    blockPath,
    isBlocked: (value) => blockers.has(value),
    /** A module as the page has it, with nothing lent. */
    ask: (module) => unwrapped(module),
    lend: null,
    attached: false,
  };
  Object.defineProperty(page, config.namespace, { value: agent, enumerable: false });
  trap('require', wrapRequire);
  // Debug.VERSION is what the library waits for before it asks for its first module.
  trap('Debug', (value) => {
    ensureTrap();
    return value;
  });
}
