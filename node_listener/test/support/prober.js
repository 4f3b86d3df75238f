// Loaded into the child before its own code: once ready, calls every function of every guarded module in the page.
import wwebjs from 'whatsapp-web.js';
import { ALLOWED, GUARDED } from '../../src/boundary.js';

const { initialize } = wwebjs.Client.prototype;
wwebjs.Client.prototype.initialize = function initializeAndProbe() {
  this.on('ready', async () => {
    const through = await /** @type {any} */ (this).pupPage.evaluate(
      probe,
      Object.keys(GUARDED),
      GUARDED,
      ALLOWED,
    );
    for (const name of through) process.stderr.write(`went through ${name}\n`);
    process.stderr.write('probed\n');
  });
  return initialize.call(this);
};

/**
 * In the page.
 * @param {string[]} modules
 * @param {Record<string, string[]>} guarded
 * @param {string[]} allowed
 */
async function probe(modules, guarded, allowed) {
  const through = [];
  for (const module of modules) {
    let exports;
    try {
      exports = /** @type {any} */ (window).require(module);
    } catch {
      continue; // the stand-in does not have it
    }
    for (const path of guarded[module]) {
      const names = path === '*' ? Object.keys(exports) : [path];
      for (const name of names) {
        const [owner, member] = name.includes('.') ? name.split('.') : [null, name];
        const holder = owner === null ? exports : exports[owner];
        if (typeof holder?.[member] !== 'function' || allowed.includes(`${module}.${name}`)) continue;
        try {
          await holder[member]({}, {});
          through.push(`${module}.${name}`);
        } catch (error) {
          if (!/only listens/.test(String(error))) through.push(`${module}.${name}: ${error}`);
        }
      }
    }
  }
  return through;
}
