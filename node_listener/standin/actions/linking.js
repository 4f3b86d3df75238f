// Linking: a phone scans the QR, or its owner types the code that the page shows.

import { makeHistory } from '../history.js';
import { BadRequest } from '../stanza.js';
import { DEFAULT_WAIT } from './stage.js';

/** @typedef {import('./stage.js').Action} Action */
/** @typedef {import('./stage.js').Body} Body */
/** @typedef {import('./stage.js').Stage} Stage */

/**
 * Links the page that shows a QR, or begins the passkey step that comes before that.
 * @param {Stage} stage
 * @param {Body} body
 */
async function link(stage, body) {
  const { page } = stage.pairing;
  if (!page) throw new BadRequest('cannot link: no page shows a QR');
  if (!body.passkey) return finishLinking(stage, body);
  phoneOf(body); // throws now and not after the passkey
  stage.pairing.ceremony = { step: 'prompt', body };
  return { done: await stage.pages.command('passkey', { step: 'prompt' }, { kept: false }) };
}

/** The phone of a request, as digits; throws without one. @param {Body} body */
function phoneOf({ phone }) {
  const digits = String(phone ?? '').replace(/^\+|@.*/g, '');
  if (!/^\d{6,}$/.test(digits))
    throw new BadRequest("cannot link without `phone`, digits with the country's code");
  return digits;
}

/**
 * Links the unpaired page to the phone: it gets a session.
 * @param {Stage} stage
 * @param {Body} body
 */
export function finishLinking(stage, body) {
  const { name, lid, platform, history } = body;
  const phone = phoneOf(body);
  const page = stage.pairing.connection;
  if (!page) throw new BadRequest('cannot link: no page shows a QR');
  const account = stage.phone.registerAccount({ phone, name, lid, platform });
  const device = stage.phone.link(account, makeHistory(history, account));
  const me = { phone: account.phone, lid: account.lid, name: account.name, platform: account.platform };
  stage.pairing.end();
  page.send({ kind: 'paired', session: { token: device.token, me } });
  return { account: me };
}

/** @type {Record<string, Action>} by name; README.md says what each does and what its body holds */
export const LINKING = {
  async scan(stage, body) {
    await stage.until(() => stage.pairing.page !== null, body.wait ?? DEFAULT_WAIT);
    if (body.qr && !String(body.qr).startsWith(`${stage.pairing.ref},`)) {
      throw new BadRequest('cannot scan this QR: it is not the one that is shown now');
    }
    return await link(stage, body);
  },
  async pair(stage, body) {
    await stage.until(() => stage.pairing.code !== null, body.wait ?? DEFAULT_WAIT);
    const { code, codePhone } = stage.pairing;
    if (!code) throw new BadRequest('cannot pair: no page has asked for a code');
    stage.pairing.answerCode();
    if (body.code && body.code !== code)
      throw new BadRequest(`cannot pair with ${body.code}: it is not the code shown`);
    return await link(stage, { phone: codePhone, ...body });
  },
  rotate_qr(stage) {
    if (!stage.pairing.page) throw new BadRequest('cannot rotate: no page shows a QR');
    stage.pairing.rotate();
    return { qr_ref: stage.pairing.ref };
  },
};
