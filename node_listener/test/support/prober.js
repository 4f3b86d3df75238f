// Loaded into the child before its own code: once ready, calls every guarded function of the page.
import { GUARDED } from '../../src/boundary.js';
import { Client } from '../../src/library.js';

const { initialize } = Client.prototype;
Client.prototype.initialize = function initializeAndProbe() {
  this.on('ready', async () => {
    const { refused, through } = await /** @type {any} */ (this).pupPage.evaluate(probe, GUARDED);
    for (const name of through) process.stderr.write(`went through ${name}\n`);
    process.stderr.write(`refused ${refused.length}\nprobed\n`);
  });
  return initialize.call(this);
};

/**
 * In the page.
 * @param {Record<string, string[]>} guarded
 */
async function probe(guarded) {
  /** @type {string[]} */
  const refused = [];
  /** @type {string[]} */
  const through = [];
  for (const [module, paths] of Object.entries(guarded)) {
    let exports;
    try {
      exports = /** @type {any} */ (window).require(module);
    } catch {
      continue; // the stand-in does not have it
    }
    for (const path of paths) {
      const [owner, member] = path.includes('.') ? path.split('.') : [null, path];
      const holder = owner === null ? exports : exports[owner];
      const names = member.endsWith('*')
        ? Object.keys(holder).filter((name) => name.startsWith(member.slice(0, -1)))
        : [member];
      for (const name of names) {
        if (typeof holder?.[name] !== 'function') continue;
        try {
          await holder[name]({}, {});
          through.push(`${module}.${name}`);
        } catch (error) {
          (/only listens/.test(String(error)) ? refused : through).push(`${module}.${name}`);
        }
      }
    }
  }
  return { refused, through };
}
