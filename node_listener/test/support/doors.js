// Loaded into the child before its own code: once ready, tries to send by other doors than the page's `require`. Prints the
// outcome of each to stderr.
import { Client } from '../../src/library.js';

/**
 * In the page.
 * @type {Record<string, () => unknown>}
 */
const DOORS = {
  'our own require': () =>
    /** @type {any} */ (window).leadmasterd
      .requireOriginal('WAWebSendReactionMsgAction')
      .sendReactionToMsg({}, '👍'),
  'our own require, for a module that has just come': async () => {
    for (;;) {
      let action;
      try {
        action = /** @type {any} */ (window).leadmasterd.requireOriginal('WAWebChatForwardMessage');
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      return action.forwardMessages({});
    }
  },
  "a script of the page's own": async () => {
    const text =
      "window.made = [new Worker('data:text/javascript,'), new WebSocket('wss://web.whatsapp.com/ws')]";
    const script = document.createElement('script');
    script.src = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    document.body.append(script);
    await new Promise((resolve, reject) => Object.assign(script, { onload: resolve, onerror: reject }));
    const [worker, socket] = /** @type {any} */ (window).made;
    if (!(worker instanceof Worker && socket instanceof WebSocket))
      throw new Error('they are something else');
  },
  'a worker': () => {
    const text = "fetch('https://web.whatsapp.com/standin/report', { method: 'POST', body: '{}' })";
    return new Worker(URL.createObjectURL(new Blob([text])));
  },
  'a shared worker': () => new SharedWorker('/standin/boot.js'),
  'a socket': () => new WebSocket('wss://web.whatsapp.com/ws/chat'),
  'an open socket': () => WebSocket.prototype.send.call(/** @type {any} */ ({}), 'frame'),
  "an empty frame's worker": () => {
    const frame = document.body.appendChild(document.createElement('iframe'));
    return new /** @type {any} */ (frame.contentWindow).Worker('/standin/boot.js');
  },
  import: async () => {
    const address = '/standin/sending.js?again'; // the page has loaded the other one, which makes no request
    const { recordSent } = await import(address);
    await recordSent('door', 'import', []);
  },
  'the raw socket': async () => {
    // in the stand-in's page that is a request, and this its frame
    const body = { kind: 'sent', page: '', token: null, module: 'door', function: 'raw', arguments: [] };
    await fetch('/standin/report', { method: 'POST', body: JSON.stringify(body) });
  },
  'a frame with the page in it': async () => {
    const frame = document.createElement('iframe');
    frame.src = '/';
    document.body.append(frame);
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      let action;
      try {
        action = /** @type {any} */ (frame.contentWindow).require('WAWebSendReactionMsgAction');
      } catch {
        continue; // not loaded yet
      }
      return action.sendReactionToMsg({}, '👍');
    }
  },
};

const { initialize } = Client.prototype;
Client.prototype.initialize = function initializeAndTry() {
  this.on('ready', async () => {
    for (const [name, door] of Object.entries(DOORS)) {
      const outcome = await /** @type {any} */ (this).pupPage.evaluate(door).then(
        () => 'went through',
        (/** @type {Error} */ error) => `failed: ${error.message.split('\n')[0]}`,
      );
      process.stderr.write(`door ${name}: ${outcome}\n`);
    }
    const other = await /** @type {any} */ (this).pupBrowser.newPage();
    const closed = new Promise((resolve) => other.once('close', resolve));
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 10_000).unref())]);
    process.stderr.write(`door another page: ${other.isClosed() ? 'closed' : 'went through'}\n`);
    process.stderr.write('doors over\n');
  });
  return initialize.call(this);
};
