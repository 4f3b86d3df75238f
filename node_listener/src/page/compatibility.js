// Runs in the page: which of the things that capture relies on are missing. Looks names up and calls none of them.

/**
 * @param {{namespace: string}} config
 * @param {import('../compatibility.js').Requirement[]} requirements
 * @returns {{web_version: string | null, missing: number[]} | null} missing: indices in `requirements`. Null while the page
 *   is not up yet: asking for a module runs it
 */
export function findMissing(config, requirements) {
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
   * @param {string} module
   * @param {string} path
   * @param {import('../compatibility.js').Requirement['must']} must
   */
  const isThere = (module, path, must) => {
    try {
      const exports = agent.requireOriginal(module); // our shims do not count
      const value = at(exports, path);
      switch (must) {
        case 'be':
          return value !== undefined && value !== null;
        case 'hold a Map':
          return typeof value === 'function' && Object.values(exports).some((each) => each instanceof Map);
        case 'be guarded':
          return typeof value === 'function' && agent.isBlocked(at(page.require(module), path));
        default:
          return typeof value === 'function';
      }
    } catch {
      return false;
    }
  };
  /** @type {number[]} */
  const missing = [];
  requirements.forEach(({ module, name, must, or }, index) => {
    const met = isThere(module, name, must) || or?.some((other) => isThere(other.module, other.name, 'be'));
    if (!met) missing.push(index);
  });
  return { web_version: typeof version === 'string' ? version : String(version), missing };
}
