// Composes the stand-in from certificate, phone server, pairing, the page's HTTPS server and the control interface.

import { createServer } from 'node:https';
import { ownCertificate } from './certificate.js';
import { act, describeState, serveControl } from './control.js';
import { completeOptions } from './options.js';
import { PageServer } from './page-server.js';
import { Pairing } from './pairing.js';
import { PhoneServer } from './phone-server.js';

/**
 * @typedef {object} Standin
 * @property {number} pagePort
 * @property {string} control address of the control interface, `http://127.0.0.1:PORT`
 * @property {string[]} browserArgs exactly what a browser must be started with to see it as web.whatsapp.com
 * @property {(action: string, body?: Record<string, any>) => Promise<Record<string, any>>} act as POST /ACTION, in
 *   this process; rejects with the error's sentence
 * @property {() => ReturnType<typeof describeState>} state as GET /state
 * @property {() => Promise<void>} close
 */

/**
 * What a browser takes for web.whatsapp.com. Stand-ins may have it one after another, so that one browser can see them all.
 * @typedef {object} Address
 * @property {import('node:https').Server} server without anything that answers
 * @property {number} port
 * @property {string[]} browserArgs
 * @property {() => Promise<unknown>} close
 */

/**
 * Opens a port for stand-ins, with a certificate.
 * @param {number} [port] 0 for any
 * @returns {Promise<Address>}
 */
export async function openAddress(port = 0) {
  const certificate = await ownCertificate();
  const server = createServer(certificate);
  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(null)));
  const bound = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    server,
    port: bound.port,
    browserArgs: browserArgs(bound.port, certificate.spki),
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

/**
 * Starts a stand-in: the page's server and the control interface.
 * @param {import('./options.js').GivenOptions} [given]
 * @param {Address} [lent] stays open when the stand-in is closed; without it the stand-in opens its own
 * @returns {Promise<Standin>}
 */
export async function startStandin(given = {}, lent) {
  const options = completeOptions(given);
  const phone = new PhoneServer();
  const pairing = new Pairing(options);
  const pages = new PageServer(phone, pairing, options);
  const address = lent ?? (await openAddress(options.pagePort));
  const leave = pages.answerAt(address.server);
  /** @param {() => boolean} test @param {number} limit */
  const until = (test, limit) => untilChange([phone, pairing, pages], test, limit);
  const stage = { phone, pairing, pages, options, pagePort: address.port, until };
  const control = await serveControl(stage, options.controlPort);
  return {
    pagePort: address.port,
    control: `http://127.0.0.1:${control.port}`,
    browserArgs: address.browserArgs,
    act: (action, body = {}) => act(stage, action, body),
    state: () => describeState(stage),
    close: async () => {
      pairing.end();
      leave();
      await Promise.all([lent ? null : address.close(), control.close()]);
    },
  };
}

/**
 * Arguments by which WhatsApp is this server, and no other host exists: the first matching rule wins.
 * @param {number} port
 * @param {string} spki
 */
function browserArgs(port, spki) {
  return [
    `--host-resolver-rules=MAP web.whatsapp.com:443 127.0.0.1:${port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    `--ignore-certificate-errors-spki-list=${spki}`,
  ];
}

/**
 * Waits until a test is true.
 * @param {import('node:events').EventEmitter[]} sources
 * @param {() => boolean} test evaluated again after each "change"
 * @param {number} limit milliseconds
 * @returns {Promise<boolean>} the test's last result
 */
async function untilChange(sources, test, limit) {
  if (test()) return true;
  return await new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      for (const source of sources) source.off('change', endIfTrue);
      resolve(test());
    };
    const endIfTrue = () => {
      if (test()) end();
    };
    const timer = setTimeout(end, limit);
    for (const source of sources) source.on('change', endIfTrue);
  });
}
