// Asks a child for sweeps.

/** @typedef {import('./child.js').Child} Child */

let sweeps = 0;

/**
 * @param {Child} child
 * @param {{from?: number, changes_from?: number, chats?: Record<string, number>, ignore?: string[]}} [how]
 */
export async function sweep(child, { from = 0, chats = {}, ignore = [], ...changes } = {}) {
  sweeps += 1;
  const number = sweeps;
  const start = child.lines.length;
  child.send({ type: 'sweep', sweep: number, from, ...changes, chats, ignore });
  const done = await child.line((line) => line.type === 'sweep_done' && line.sweep === number);
  const lines = child.lines.slice(start, child.lines.indexOf(done));
  const found = lines.filter((line) => line.via === 'sweep' && line.id);
  return {
    done,
    chats: lines.filter((line) => line.type === 'sweep_chat'),
    found,
    ids: found.map((line) => line.id.id),
    lines,
  };
}
