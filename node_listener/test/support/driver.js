// Loaded into the child before its own code: evaluates in its page what a test asks for, to play what the stand-in does not.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { Client } from '../../src/library.js';

const { profile } = JSON.parse(process.env.LEADMASTERD_LISTENER ?? '{}');
const file = `${profile}.page.js`;

const { initialize } = Client.prototype;
Client.prototype.initialize = function initializeAndDrive() {
  const timer = setInterval(async () => {
    const page = /** @type {any} */ (this).pupPage;
    if (!page || !existsSync(file)) return;
    const source = readFileSync(file, 'utf8');
    rmSync(file);
    await page.evaluate(source).catch((/** @type {Error} */ error) => {
      process.stderr.write(`driver: ${error.message}\n`);
    });
  }, 20);
  timer.unref();
  return initialize.call(this);
};
