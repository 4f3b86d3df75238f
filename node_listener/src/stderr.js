// Log lines for the journal: one event each, ids and never contents.

/**
 * Writes one line: `listener ACTION: DETAIL`.
 * @param {string} action a stable word to search for
 * @param {string} [detail]
 */
export function note(action, detail = '') {
  process.stderr.write(`listener ${action}${detail === '' ? '' : `: ${detail}`}\n`);
}

/**
 * @param {unknown} error anything that was thrown, also a bare string: the library throws 'auth timeout'
 * @returns {string}
 */
export function errorText(error) {
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error));
}
