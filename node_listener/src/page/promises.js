// @ts-nocheck: the page's modules have no types
// Runs in the page: which of the things that capture relies on are there. Looks names up and calls none of them.

/**
 * @param {{namespace: string}} config
 * @param {import('../contract.js').Promised[]} promised
 * @returns {{web_version: string | null, missing: number[]} | null} missing: places in `promised`. Null while the page is
 *   not up: asking for a module runs it
 */
export function readPromises(config, promised) {
  const page = globalThis;
  const agent = page[config.namespace];
  let version;
  try {
    version = page.Debug.VERSION;
  } catch {
    // not up yet
  }
  if (!agent?.ask || version === undefined || version === null) return null;

  const at = (exports, path) => path.split('.').reduce((holder, step) => holder[step], exports);
  const isThere = (module, path, must) => {
    try {
      const exports = agent.ask(module); // as the page has it: nothing that is lent counts
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
  const missing = [];
  promised.forEach(({ module, name, must, or }, index) => {
    const kept = isThere(module, name, must) || or?.some((other) => isThere(other.module, other.name, 'be'));
    if (!kept) missing.push(index);
  });
  return { web_version: typeof version === 'string' ? version : String(version), missing };
}
