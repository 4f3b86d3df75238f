// Loaded into the child before its own code: the library's first attach fails after the library has said ready, as when
// a module is missing in the middle of it. From then on `window.WWebJS` is there, and the library would skip attaching.
import wwebjs from 'whatsapp-web.js';

const { Client } = /** @type {any} */ (wwebjs);
const { attachEventListeners } = Client.prototype;
let failed = false;
Client.prototype.attachEventListeners = async function attachHalf() {
  if (failed) return attachEventListeners.call(this);
  failed = true;
  this.emit('ready');
  throw new Error('attached by half');
};
