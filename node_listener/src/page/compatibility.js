// Runs in the page: finds out which of the modules and members that capture relies on are there, and reads A/B switches and
// message types. Members are looked up and not called. Only two functions of the page are called, which read the switches; its
// usual getter is not used, since it also records the read. What follows from the answer is decided in ../compatibility.js.

/**
 * @typedef {object} Inspection
 * @property {string} document
 * @property {string | null} web_version
 * @property {number[]} missing indices of requirements whose module is there without the member
 * @property {number[]} unloaded indices of those whose module the page does not have, or not yet
 * @property {Record<string, import('../compatibility.js').SwitchValue>} ab switch -> value
 * @property {string[]} types all types of messages that this build knows
 */

/**
 * Compares the page with the requirements.
 * @param {{namespace: string}} config
 * @param {import('../compatibility.js').Requirement[]} requirements
 * @param {string[]} switches names of A/B switches
 * @returns {Inspection | null} null while the page is not up yet: asking for a module would run it
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
   * The member at a path such as `Cmd.on`. Throws where an object on the way is missing.
   * @param {any} exports
   * @param {string} path
   */
  const memberAt = (exports, path) => path.split('.').reduce((holder, step) => holder[step], exports);

  /**
   * Whether the source of some function of the emitter, or of its classes, names the event. That shows, without
   * calling anything, that this build still triggers it.
   * @param {any} emitter
   * @param {string} event
   */
  const namesEvent = (emitter, event) => {
    const quoted = new RegExp(`["'\`]${event}["'\`]`);
    for (let each = emitter; each && each !== Object.prototype; each = Object.getPrototypeOf(each)) {
      for (const { value } of Object.values(Object.getOwnPropertyDescriptors(each))) {
        if (typeof value !== 'function') continue;
        if (quoted.test(Function.prototype.toString.call(value))) return true;
      }
    }
    return false;
  };

  /**
   * Whether a member is what it must be. Throws where an object on its path is missing.
   * @param {import('../compatibility.js').Member} member
   * @param {any} exports of its module
   */
  const isThere = ({ module, name, must, event }, exports) => {
    const value = memberAt(exports, name);
    switch (must) {
      case 'be':
        return value !== undefined && value !== null;
      case 'hold a Map':
        return typeof value === 'function' && Object.values(exports).some((each) => each instanceof Map);
      case 'be guarded':
        return typeof value === 'function' && agent.isBlocked(memberAt(page.require(module), name));
      case 'trigger':
        return typeof value?.on === 'function' && event !== undefined && namesEvent(value, event);
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

  /** The value of an A/B switch, else its preset; null where this build does not have it. @param {string} name */
  const switchValue = (name) => {
    try {
      const [code, _type, preset] = agent.requireOriginal('WAWebABPropsConfigs').ABPropConfigs[name];
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
    const alternatives = requirement.or ?? [];
    const found = [requirement, ...alternatives].map(find);
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
