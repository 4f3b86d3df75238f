// Loaded into the child before its own code: the library's first attach fails when all its listeners are attached.
import { Client as LibrarysClient } from '../../src/library.js';

const Client = /** @type {any} */ (LibrarysClient);
const { attachEventListeners } = Client.prototype;
let failed = false;
Client.prototype.attachEventListeners = async function attachAndFail() {
  await attachEventListeners.call(this);
  if (failed) return;
  failed = true;
  throw new Error('attached, and failed');
};
