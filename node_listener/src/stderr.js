// Notes for whoever reads the journal: one line each, ids and never contents.

/**
 * @param {string} action a stable word
 * @param {string} [detail]
 */
export function note(action, detail = '') {
  process.stderr.write(`listener ${action}${detail === '' ? '' : `: ${detail}`}\n`);
}

/**
 * @param {unknown} error the library throws bare strings too ('auth timeout')
 * @returns {string}
 */
export function errorText(error) {
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error));
}
