// Runs in the page, before any of its own scripts: replaces the functions that send (boundary.js lists them) by blockers, which
// throw and report the attempt to Node. Makes the agent that the other page scripts add to. Sent as source text
// (evaluateOnNewDocument), so it may use nothing from outside itself.

/**
 * Installs the guard: wraps `require`, so that each guarded module is changed when it is first asked for. Does nothing in a
 * document that has it.
 * @param {object} config
 * @param {Record<string, string[]>} config.modules module -> paths of functions that send, in the notation of boundary.js
 * @param {string[]} config.rejecting `module.function` that answer with a rejected promise instead of throwing
 * @param {string} config.namespace the property of window that holds the agent
 * @param {string} config.report the binding that takes reports to Node
 */
export function guardPage(config) {
  const page = /** @type {any} */ (globalThis);
  if (page[config.namespace]) return;

  const blockers = new WeakSet();
  /** @type {Map<string, number>} `module.function` -> when it was last reported, in milliseconds */
  const lastReports = new Map();

  /** Sends a report to Node. @param {import('./page.js').Report} report */
  const sendReport = (report) => {
    try {
      page[config.report]?.(report)?.catch?.(() => {});
    } catch {
      // a report must never become an exception of the page
    }
  };

  /**
   * Reports a refused call, at most once a second for each function: a page that tries in a loop must not fill the wire.
   * @param {string} module
   * @param {string} name
   */
  const reportRefusal = (module, name) => {
    const key = `${module}.${name}`;
    const now = Date.now();
    if (now - (lastReports.get(key) ?? 0) < 1000) return;
    lastReports.set(key, now);
    sendReport({ kind: 'outbound_blocked', module, function: name });
  };

  /**
   * Makes the function that stands in for one that sends: it reports the call, and throws or rejects.
   * @param {string} module
   * @param {string} name
   */
  const blocker = (module, name) => {
    const block = () => {
      reportRefusal(module, name);
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
   * Names of the functions of an object, own and inherited ones: `Cmd` and `Socket` are instances of classes.
   * @param {any} holder
   * @returns {string[]}
   */
  const functionNames = (holder) => {
    /** @type {Set<string>} */
    const names = new Set();
    let each = holder;
    while (each && each !== Object.prototype && each !== Function.prototype) {
      for (const name of Object.getOwnPropertyNames(each)) names.add(name);
      each = Object.getPrototypeOf(each);
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
   * @param {any} holder the object whose function it is
   * @param {string} name
   * @param {string} module
   * @param {string} path of the function within the module, for the report
   * @returns {boolean} whether nothing is left to block: false for an object that cannot be changed
   */
  const block = (holder, name, module, path) => {
    if (typeof holder[name] !== 'function' || blockers.has(holder[name])) return true;
    const value = blocker(module, path);
    try {
      holder[name] = value;
    } catch {
      // a read-only export: redefine it
    }
    if (holder[name] === value) return true;
    try {
      Object.defineProperty(holder, name, { value, configurable: true, writable: true, enumerable: true });
    } catch {
      // frozen: require() will return a proxy of it (see proxied)
    }
    return holder[name] === value;
  };

  /** @param {any} value whether it can have members */
  const isHolder = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

  /**
   * Blocks the function at a path within exports; with a `*` at its end, all functions whose names begin so. What this build does
   * not have counts as blocked.
   * @type {import('./page.js').Agent['blockPath']}
   */
  const blockPath = (exports, path, module) => {
    const steps = path.split('.');
    const last = /** @type {string} */ (steps.pop());
    /** @type {any} */
    let holder = exports;
    for (const step of steps) holder = holder?.[step];
    if (!isHolder(holder)) return true;
    const prefix = steps.length > 0 ? `${steps.join('.')}.` : '';
    const names = last.endsWith('*')
      ? functionNames(holder).filter((name) => name.startsWith(last.slice(0, -1)))
      : [last];
    return names.map((name) => block(holder, name, module, prefix + name)).every(Boolean);
  };

  /** Exports that cannot be changed in place -> the proxy that require() returns instead of them. */
  const proxies = new WeakMap();
  /**
   * A proxy of such exports, which gives a blocker for each guarded function. Only for functions of the exports themselves: a
   * path with a `.` leads into an object, which is changed in place where that is possible.
   * @param {object} exports
   * @param {string} module
   * @param {string[]} paths
   */
  const proxied = (exports, module, paths) => {
    const existing = proxies.get(exports);
    if (existing) return existing;
    const ownPaths = paths.filter((path) => !path.includes('.'));
    const isGuarded = (/** @type {string} */ name) =>
      ownPaths.some((path) => (path.endsWith('*') ? name.startsWith(path.slice(0, -1)) : name === path));
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
   * The exports of a module with its guarded functions blocked: the same object, or a proxy where it cannot be changed.
   * @param {string} module
   * @param {any} exports
   */
  const guarded = (module, exports) => {
    const paths = config.modules[module];
    if (!paths || !isHolder(exports)) return exports;
    try {
      const allBlocked = paths.map((path) => blockPath(exports, path, module)).every(Boolean);
      return allBlocked ? exports : proxied(exports, module, paths);
    } catch {
      return exports; // never break listening; what the library sends with is blocked in WWebJS as well
    }
  };

  const wrappedRequires = new WeakSet();
  /** @type {any} the page's own `require` */
  let originalRequire = null;
  /**
   * Wraps the page's `require`, so that each module it returns is completed (shims.js) and guarded. The wrapper is a proxy, so
   * that properties such as require.ensure stay reachable.
   * @param {any} original returned unchanged when it is no function, or wrapped already
   */
  const wrapRequire = (original) => {
    if (typeof original !== 'function' || wrappedRequires.has(original)) return original;
    originalRequire = original;
    const proxy = new Proxy(original, {
      apply(target, self, args) {
        const [module] = args;
        const load = () => Reflect.apply(target, self, args);
        return guarded(module, agent.shim ? agent.shim(module, load) : load());
      },
    });
    wrappedRequires.add(proxy);
    return proxy;
  };

  /** Wraps `require` again, if the page has defined one of its own in place of our trap. */
  const ensureTrap = () => {
    if (typeof page.require === 'function' && !wrappedRequires.has(page.require))
      trap('require', wrapRequire);
  };

  /**
   * Asks for every guarded module, which changes those that are loaded by now, for the page's own callers too. Only to be
   * called once the page is up: asking for a module runs it.
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
   * Whether the caller is code that puppeteer evaluated in the page, whose address in a stack begins with `pptr:`. All other code
   * counts as the page's own: refusing the page its own socket would end all listening.
   * @param {Function} called the function whose caller is meant; the stack begins with that caller
   */
  const calledFromOutside = (called) => {
    /** @type {{stack?: unknown}} */
    const trace = {};
    try {
      Error.captureStackTrace(trace, called);
    } catch {
      return false; // the page may have its own way to write a stack
    }
    const callerLine = String(trace.stack)
      .split('\n')
      .find((line) => /:\d+:\d+\)?$/.test(line));
    return callerLine?.includes('pptr:') ?? false;
  };

  /**
   * Refuses a function or a constructor of the browser to all code but the page's own. With a worker or a socket one could send
   * without the guarded functions; the page needs them, and nothing else here does.
   * @param {any} holder the object that has it
   * @param {string} name
   * @param {string} shown its name in the report
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
      construct(target, args, newTarget) {
        if (calledFromOutside(/** @type {Function} */ (handler.construct))) refuse();
        return Reflect.construct(target, args, newTarget);
      },
    };
    holder[name] = new Proxy(original, handler);
  };

  /** @type {Partial<import('./page.js').Agent>} */
  const agent = {
    document: `${Date.now()}-${Math.random()}`,
    report: sendReport,
    guardAll,
    blockPath,
    isBlocked: (value) => blockers.has(/** @type {any} */ (value)),
    requireOriginal: (module) => guarded(module, originalRequire(module)),
    shim: null,
    attached: false,
  };
  Object.defineProperty(page, config.namespace, { value: agent, enumerable: false });
  trap('require', wrapRequire);
  // The library asks for its first module once there is a Debug.VERSION, so `require` is checked again when the page sets `Debug`.
  trap('Debug', (value) => {
    ensureTrap();
    return value;
  });
  keepForThePage(page, 'Worker', 'Worker');
  keepForThePage(page, 'SharedWorker', 'SharedWorker');
  keepForThePage(page, 'WebSocket', 'WebSocket');
  keepForThePage(page.WebSocket?.prototype, 'send', 'WebSocket.send');
}
