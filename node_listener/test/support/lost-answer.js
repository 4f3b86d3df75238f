// Loaded into the child before its own code: Chromium loses the answer to the library's wait for the socket (Client.js:146), as
// it does when its garbage is collected between the end of an evaluation and its answer. Needs --js-flags=--expose-gc.
import { Client as LibrarysClient } from '../../src/library.js';

const Client = /** @type {any} */ (LibrarysClient);
const { inject } = Client.prototype;
let loses = true;

/** Runs in the page. The listener comes after the library's, so what it queues runs right after the evaluation has ended. */
function collectAtTheEnd() {
  const page = /** @type {any} */ (globalThis);
  page.require('WAWebSocketModel').Socket.on('change:state', () => queueMicrotask(page.gc));
}

Client.prototype.inject = function injectAndLose() {
  const page = this.pupPage;
  const evaluate = page.evaluate.bind(page);
  page.evaluate = (/** @type {any} */ source, /** @type {any[]} */ ...args) => {
    const answer = evaluate(source, ...args);
    if (loses && String(source).includes('waitTillInit')) {
      loses = false;
      evaluate(collectAtTheEnd).then(() => process.stderr.write('the answer will be lost\n'));
    }
    return answer;
  };
  return inject.call(this);
};
