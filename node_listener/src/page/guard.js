// @ts-nocheck: the page's modules have no types
// Runs in the page, before any of its own scripts: wraps what sends. An attempt throws and is told to Node.
// Sent as source text (evaluateOnNewDocument), so it may use nothing from outside itself.

/**
 * @param {{modules: Record<string, string[]>, allowed: string[], namespace: string, report: string}} config
 *   modules: module -> paths of functions that send, `*` for all its functions, `Cmd.*` for all of a member;
 *   allowed: `module.function` that stay, whatever `*` says
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
      throw new Error(`leadmasterd only listens: ${module}.${name} was refused`);
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
    if (config.allowed.includes(`${module}.${label}`) || typeof holder[name] !== 'function') return true;
    if (blockers.has(holder[name])) return true;
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
    const names = last === '*' ? functionNames(holder) : [last];
    return names.map((name) => block(holder, name, module, prefix + name)).every(Boolean);
  };

  /** For exports that can't be changed in place: whoever asks by require() gets this instead. */
  const proxies = new WeakMap();
  const proxied = (exports, module, paths) => {
    const known = proxies.get(exports);
    if (known) return known;
    const names = paths.filter((path) => !path.includes('.'));
    const proxy = new Proxy(exports, {
      get(target, name, receiver) {
        const value = Reflect.get(target, name, receiver);
        const guarded = names.includes('*') || names.includes(String(name));
        if (typeof value !== 'function' || !guarded || config.allowed.includes(`${module}.${String(name)}`))
          return value;
        return blocker(module, String(name));
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
  const wrapRequire = (original) => {
    if (typeof original !== 'function' || wrapped.has(original)) return original;
    const proxy = new Proxy(original, {
      apply(target, self, args) {
        return guarded(args[0], Reflect.apply(target, self, args));
      },
    });
    wrapped.add(proxy);
    return proxy;
  };

  /** Asks for every guarded module once. What a build does not have is passed over. */
  const guardAll = () => {
    if (typeof page.require !== 'function') return 0;
    if (!wrapped.has(page.require)) trap('require', wrapRequire);
    let found = 0;
    for (const module of Object.keys(config.modules)) {
      try {
        if (page.require(module)) found += 1;
      } catch {
        // not in this build
      }
    }
    return found;
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

  Object.defineProperty(page, config.namespace, {
    value: { document: `${Date.now()}-${Math.random()}`, guardAll, blockPath, attached: false },
    enumerable: false,
  });
  trap('require', wrapRequire);
  // Debug.VERSION is what the library waits for before it touches the page: by then everything must be wrapped.
  trap('Debug', (value) => {
    if (value) queueMicrotask(guardAll);
    return value;
  });
}
