// Loaded into the child before its own code: once its browser is gone, the pipes to it emit an error, as they do when a
// browser dies with something unread. By then puppeteer has removed its listeners.
import wwebjs from 'whatsapp-web.js';

const { initialize } = wwebjs.Client.prototype;
wwebjs.Client.prototype.initialize = function initializeWithBrokenPipes() {
  this.once('qr', () => {
    const browser = /** @type {any} */ (this).pupBrowser;
    const pipes = browser.process().stdio.filter(Boolean);
    browser.once('disconnected', () =>
      setImmediate(() => {
        for (const pipe of pipes) {
          pipe.emit('error', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
        }
        process.stderr.write(`reset ${pipes.length} pipes\n`);
      }),
    );
  });
  return initialize.call(this);
};
