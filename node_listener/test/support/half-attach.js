// Loaded into the child before its own code: the library's first attach fails after the library has emitted ready, as when
// a module in the middle of it is missing. From then on `window.WWebJS` is defined, and the library would skip attaching.
import { Client as LibrarysClient } from '../../src/library.js';

const Client = /** @type {any} */ (LibrarysClient);
const { attachEventListeners } = Client.prototype;
let failed = false;
Client.prototype.attachEventListeners = async function attachHalf() {
  if (failed) return attachEventListeners.call(this);
  failed = true;
  this.emit('ready');
  throw new Error('attached by half');
};
