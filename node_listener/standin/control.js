// The control interface: plain HTTP on a loopback port. POST /ACTION with a JSON body, GET /state.

import { createServer } from 'node:http';
import { isConnected } from './actions/stage.js';
import { ACTIONS } from './actions.js';
import { BadRequest } from './stanza.js';

/** @typedef {import('./actions/stage.js').Stage} Stage */

/**
 * Carries out an action. Throws BadRequest for one that is unknown or impossible now.
 * @param {Stage} stage
 * @param {string} name
 * @param {Record<string, unknown>} body
 * @returns {Promise<Record<string, any>>}
 */
export async function act(stage, name, body) {
  if (!Object.hasOwn(ACTIONS, name)) {
    throw new BadRequest(`unknown action ${name}; known: ${Object.keys(ACTIONS).join(', ')}`);
  }
  return { ok: true, ...(await ACTIONS[name](stage, body)) };
}

/**
 * The answer to GET /state.
 * @param {Stage} stage
 */
export function describeState(stage) {
  const { phone, pairing, pages, options } = stage;
  const { account, device } = phone;
  return {
    account: account && device && { phone: account.phone, lid: account.lid, name: account.name },
    paired: device !== null,
    page_connected: isConnected(stage),
    page_loads: pages.loads,
    socket_state: pages.page.state,
    socket_stream: pages.page.stream,
    synced: pages.page.synced,
    history_chunks: device?.chunks.length ?? 0,
    failure: pages.failure?.code ?? null,
    undelivered: (device?.queue ?? []).map(({ n, kind, id }) => ({ n, kind, id })),
    acknowledged_count: device?.acknowledged.length ?? 0,
    acknowledged: device?.acknowledged ?? [],
    ...pages.records,
    key_shape: options.keyShape,
    wid_shape: options.widShape,
    ways: options.ways,
    qr_ref: pairing.ref,
    pairing_code: pairing.code,
    passkey: pairing.ceremony?.step ?? null,
    offline: pages.offline,
    holds: [...pages.holds],
    missing: pages.missing,
    dialogs: pages.dialogs,
    pending_commands: pages.commands.map(({ n, name }) => ({ n, name })),
  };
}

/**
 * Starts the control interface.
 * @param {Stage} stage
 * @param {number} port 0 for any
 * @returns {Promise<{port: number, close: () => Promise<void>}>}
 */
export async function serveControl(stage, port) {
  const server = createServer(async (request, response) => {
    /** @param {number} status @param {object} body */
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(body)}\n`);
    };
    const name = (request.url ?? '/').slice(1);
    try {
      if (request.method === 'GET' && name === 'state') return answer(200, describeState(stage));
      if (request.method !== 'POST')
        return answer(405, { error: 'only GET /state and POST /ACTION are known' });
      let text = '';
      for await (const chunk of request) text += chunk;
      answer(200, await act(stage, name, text.trim() === '' ? {} : JSON.parse(text)));
    } catch (error) {
      const ours = error instanceof BadRequest || error instanceof SyntaxError;
      answer(ours ? 400 : 500, { error: error instanceof Error ? error.message : String(error) });
    }
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(null)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return { port: address.port, close };
}
