// Runs in the page, before any of its own scripts: wraps the functions that send. An attempt throws and is reported to
// Node. Sent as source text (evaluateOnNewDocument), so it may use nothing from outside itself.

/**
 * @param {object} config
 * @param {Record<string, string[]>} config.modules module -> paths of functions that send, in the notation of boundary.js
 * @param {string[]} config.rejecting `module.function` that answer with a rejected promise instead of throwing
 * @param {string} config.namespace
 * @param {string} config.report
 */
export function guardPage(config) {
  const page = /** @type {any} */ (globalThis);
  if (page[config.namespace]) return;

  const blockers = new WeakSet();
  /** @type {Map<string, number>} */
  const reported = new Map();

  /** @param {import('./page.js').Report} report */
  const tell = (report) => {
    try {
      page[config.report]?.(report)?.catch?.(() => {});
    } catch {
      // a report must never become an exception of the page
    }
  };

  /**
   * At most one report a second for each function: a page that tries in a loop must not fill the wire.
   * @param {string} module
   * @param {string} name
   */
  const report = (module, name) => {
    const key = `${module}.${name}`;
    const now = Date.now();
    if (now - (reported.get(key) ?? 0) < 1000) return;
    reported.set(key, now);
    tell({ kind: 'outbound_blocked', module, function: name });
  };

  /**
   * @param {string} module
   * @param {string} name
   */
  const blocker = (module, name) => {
    const block = () => {
      report(module, name);
      const error = new Error(`leadmasterd only listens: ${module}.${name} was refused`);
      if (!config.rejecting.includes(`${module}.${name}`)) throw error;
      const refusal = Promise.reject(error);
      refusal.catch(() => {}); // a caller that does not await it must not become an unhandled error of the page
      return refusal;
    };
    blockers.add(block);
    return block;
  };

  /**
   * Own and inherited function names: `Cmd` and `Socket` are instances of classes.
   * @param {any} holder
   */
  const functionNames = (holder) => {
    /** @type {Set<string>} */
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

  /**
   * Replaces a function in place, so that the page's own callers meet the blocker too.
   * @param {any} holder
   * @param {string} name
   * @param {string} module
   * @param {string} label
   * @returns {boolean} whether nothing is left to block
   */
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
      // frozen: the proxy below stands in for it
    }
    return holder[name] === value;
  };

  /** @type {import('./page.js').Agent['blockPath']} */
  const blockPath = (exports, path, module) => {
    const steps = path.split('.');
    const last = /** @type {string} */ (steps.pop());
    /** @type {any} */
    let holder = exports;
    for (const step of steps) holder = holder?.[step];
    if (holder === null || (typeof holder !== 'object' && typeof holder !== 'function')) return true;
    const prefix = steps.length > 0 ? `${steps.join('.')}.` : '';
    const names = last.endsWith('*')
      ? functionNames(holder).filter((name) => name.startsWith(last.slice(0, -1)))
      : [last];
    return names.map((name) => block(holder, name, module, prefix + name)).every(Boolean);
  };

  /** For exports that cannot be changed in place: require() returns this proxy instead. */
  const proxies = new WeakMap();
  /**
   * @param {object} exports
   * @param {string} module
   * @param {string[]} paths
   */
  const proxied = (exports, module, paths) => {
    const known = proxies.get(exports);
    if (known) return known;
    const own = paths.filter((path) => !path.includes('.'));
    const isGuarded = (/** @type {string} */ name) =>
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

  /**
   * @param {string} module
   * @param {any} exports
   */
  const guarded = (module, exports) => {
    const paths = config.modules[module];
    if (!paths || exports === null || (typeof exports !== 'object' && typeof exports !== 'function'))
      return exports;
    try {
      const allBlocked = paths.map((path) => blockPath(exports, path, module)).every(Boolean);
      return allBlocked ? exports : proxied(exports, module, paths);
    } catch {
      return exports; // never break listening; what the library sends with is blocked in WWebJS as well
    }
  };

  const wrapped = new WeakSet();
  /** @type {any} */
  let unwrapped = null;
  /**
   * A proxy and not a new function: own properties like require.ensure must stay reachable.
   * @param {any} original
   */
  const wrapRequire = (original) => {
    if (typeof original !== 'function' || wrapped.has(original)) return original;
    unwrapped = original;
    const proxy = new Proxy(original, {
      apply(target, self, args) {
        const ask = () => Reflect.apply(target, self, args);
        return guarded(args[0], agent.shim ? agent.shim(args[0], ask) : ask());
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
   * Asks for every guarded module once, which wraps it for the page's own callers too. Only once the page is up: asking
   * for a module runs it.
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

  /**
   * Makes a property that passes every value assigned to it through `change`.
   * @param {string} name
   * @param {(value: any) => any} change
   */
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

  /**
   * Whether code that puppeteer evaluated in the page calls this, and no script of the page's own. Code that came in another
   * way counts as the page's: refusing the page its own socket would end all listening.
   * @param {Function} called left out of the stack, with what is above it
   */
  const calledFromOutside = (called) => {
    /** @type {{stack?: unknown}} */
    const at = {};
    try {
      Error.captureStackTrace(at, called);
    } catch {
      return false; // the page may have its own way to write a stack
    }
    const frame = String(at.stack)
      .split('\n')
      .find((line) => /:\d+:\d+\)?$/.test(line));
    return frame?.includes('pptr:') ?? false;
  };

  /**
   * Workers and sockets would send past the functions above. The page makes its own; nothing else here needs any.
   * @param {any} holder
   * @param {string} name
   * @param {string} shown
   */
  const keepForThePage = (holder, name, shown) => {
    const original = holder?.[name];
    if (typeof original !== 'function') return;
    const refuse = blocker('browser', shown);
    /** @type {ProxyHandler<any>} */
    const handler = {
      apply(target, self, args) {
        if (calledFromOutside(/** @type {Function} */ (handler.apply))) refuse();
        return Reflect.apply(target, self, args);
      },
      construct(target, args, asked) {
        if (calledFromOutside(/** @type {Function} */ (handler.construct))) refuse();
        return Reflect.construct(target, args, asked);
      },
    };
    holder[name] = new Proxy(original, handler);
  };

  /** @type {Partial<import('./page.js').Agent>} */
  const agent = {
    document: `${Date.now()}-${Math.random()}`,
    report: tell,
    guardAll,
    blockPath,
    isBlocked: (value) => blockers.has(/** @type {any} */ (value)),
    requireOriginal: (module) => guarded(module, unwrapped(module)),
    shim: null,
    attached: false,
  };
  Object.defineProperty(page, config.namespace, { value: agent, enumerable: false });
  trap('require', wrapRequire);
  // The library waits for Debug.VERSION before it asks for its first module.
  trap('Debug', (value) => {
    ensureTrap();
    return value;
  });
  keepForThePage(page, 'Worker', 'Worker');
  keepForThePage(page, 'SharedWorker', 'SharedWorker');
  keepForThePage(page, 'WebSocket', 'WebSocket');
  keepForThePage(page.WebSocket?.prototype, 'send', 'WebSocket.send');
}
