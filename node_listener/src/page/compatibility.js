// Runs in the page: which of the things that capture relies on are there, and the values of the switches that choose
// between the page's ways. Looks names up and calls none of them. Two functions of the page's switches are called, which
// only read: the page's own getter of a switch also writes down that it was read.

/**
 * @param {{namespace: string}} config
 * @param {import('../compatibility.js').Requirement[]} requirements
 * @param {string[]} switches names of A/B switches
 * @returns {{document: string, web_version: string | null, missing: number[], unloaded: number[],
 *   ab: Record<string, import('../compatibility.js').SwitchValue>, types: string[]} | null} missing, unloaded: indices in `requirements`;
 *   of the unloaded ones the page does not know the module. types: of messages. Null while it is not up yet: asking for a module runs it
 */
export function inspectPage(config, requirements, switches) {
  /** @type {import('./page.js').Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {import('./page.js').Agent | undefined} */
  const agent = page[config.namespace];
  let version;
  try {
    version = page.Debug.VERSION;
  } catch {
    // not up yet
  }
  if (!agent?.requireOriginal || version === undefined || version === null) return null;

  /**
   * @param {any} exports
   * @param {string} path
   */
  const at = (exports, path) => path.split('.').reduce((holder, step) => holder[step], exports);

  /**
   * Whether some function of the holder speaks of the event. Nothing is called: their text is read.
   * @param {any} holder
   * @param {string} event
   */
  const triggers = (holder, event) => {
    const quoted = new RegExp(`["'\`]${event}["'\`]`);
    for (let each = holder; each && each !== Object.prototype; each = Object.getPrototypeOf(each)) {
      for (const { value } of Object.values(Object.getOwnPropertyDescriptors(each)))
        if (typeof value === 'function' && quoted.test(Function.prototype.toString.call(value))) return true;
    }
    return false;
  };

  /**
   * @param {import('../compatibility.js').Member} member
   * @param {any} exports
   */
  const isThere = ({ module, name, must, event }, exports) => {
    const value = at(exports, name);
    switch (must) {
      case 'be':
        return value !== undefined && value !== null;
      case 'hold a Map':
        return typeof value === 'function' && Object.values(exports).some((each) => each instanceof Map);
      case 'be guarded':
        return typeof value === 'function' && agent.isBlocked(at(page.require(module), name));
      case 'trigger':
        return typeof value?.on === 'function' && event !== undefined && triggers(value, event);
      default:
        return typeof value === 'function';
    }
  };

  /**
   * @param {import('../compatibility.js').Member} member
   * @returns {'there' | 'missing' | 'unloaded'}
   */
  const find = (member) => {
    let exports;
    try {
      exports = agent.requireOriginal(member.module); // our shims do not count
    } catch {
      return 'unloaded';
    }
    if (exports === undefined || exports === null) return 'unloaded';
    try {
      return isThere(member, exports) ? 'there' : 'missing';
    } catch {
      return 'missing';
    }
  };

  /** @param {string} name */
  const switchValue = (name) => {
    try {
      const [code, , preset] = agent.requireOriginal('WAWebABPropsConfigs').ABPropConfigs[name];
      const cache = agent.requireOriginal('WAWebABPropsCache');
      if (!cache.isABPropConfigsReady()) return null;
      const value = cache.getAllABPropsMap().get(code)?.configValue ?? preset;
      return ['string', 'number', 'boolean'].includes(typeof value) ? value : null;
    } catch {
      return null; // not in this build
    }
  };

  const messageTypes = () => {
    try {
      const types = Object.values(agent.requireOriginal('WAWebMsgType').MSG_TYPE);
      return types.filter((type) => typeof type === 'string');
    } catch {
      return []; // not in this build
    }
  };

  /** @type {number[]} */
  const missing = [];
  /** @type {number[]} */
  const unloaded = [];
  requirements.forEach((requirement, index) => {
    const found = [requirement, ...(requirement.or ?? [])].map(find);
    if (found.includes('there')) return;
    if (found.includes('unloaded')) unloaded.push(index);
    else missing.push(index);
  });
  return {
    document: agent.document,
    web_version: typeof version === 'string' ? version : String(version),
    missing,
    unloaded,
    ab: Object.fromEntries(switches.map((name) => [name, switchValue(name)])),
    types: messageTypes(),
  };
}
