// Messages and what happens to them: edits, revocations, reactions, acks, votes, calls, contacts.

import { BadRequest, copiesOf, lidText, makeStanza, newStanzaId, underLid, widText } from '../stanza.js';
import { accountOf, knownMessage, now } from './stage.js';

/** @typedef {import('../stanza.js').Stanza} Stanza */
/** @typedef {import('./stage.js').Action} Action */
/** @typedef {import('./stage.js').Body} Body */
/** @typedef {import('./stage.js').Stage} Stage */

/**
 * Delivers one message, or `count` of them with numbered ids and texts, from `spread` senders in turn.
 * @param {Stage} stage
 * @param {Body} body
 * @param {boolean} fromMe written by the operator on another device
 */
async function deliver(stage, body, fromMe) {
  const account = accountOf(stage);
  const { count = 1, spread = 1, t_step = 0 } = body;
  const ids = [];
  for (let index = 0; index < count; index += 1) {
    const each = { ...body };
    if (count > 1 && body.id) each.id = `${body.id}-${index + 1}`;
    if (typeof body.body === 'string') each.body = body.body.replaceAll('{n}', String(index + 1));
    if (typeof body.t === 'number') each.t = body.t + index * t_step;
    if (spread > 1) {
      const firstPhone = BigInt(String(body.from).replace(/\D.*/, ''));
      each.from = String(firstPhone + BigInt(index % spread));
    }
    const stanza = address(stage, makeStanza(each, account, fromMe), each);
    for (const one of [stanza, ...copiesOf(stanza, body.recipients)]) stage.phone.deliver(account, one);
    ids.push(stanza.id);
  }
  const last = ids[ids.length - 1];
  const acknowledged =
    typeof body.wait === 'number' && (await stage.until(() => !isQueued(stage, last), Number(body.wait)));
  return { ids, acknowledged };
}

/**
 * Whether the device has not acknowledged a message yet.
 * @param {Stage} stage
 * @param {string} id
 */
const isQueued = ({ phone }, id) => Boolean(phone.device?.queue.some((item) => item.id === id));

/**
 * A direct message from somebody with a @lid comes under the @lid, and the page learns the mapping, unless the request
 * says otherwise.
 * @param {Stage} stage
 * @param {Stanza} stanza
 * @param {Body} body
 * @returns {Stanza}
 */
function address(stage, stanza, { lid, unmapped, addressing }) {
  if (!lid) return stanza;
  const account = accountOf(stage);
  const wid = lidText(lid);
  const phone = stanza.fromMe ? stanza.to : (stanza.author ?? stanza.from);
  const card = { ...account.contacts.get(phone), phone, lid: wid };
  account.contacts.set(phone, card);
  if (!unmapped) stage.phone.enqueue(account, { kind: 'contact', card });
  if (addressing === 'pn' || stanza.author) return stanza;
  return underLid(stanza, wid, account);
}

/**
 * @param {Stage} stage
 * @param {import('../phone-server.js').Happening} happening
 */
function enqueue(stage, happening) {
  stage.phone.enqueue(accountOf(stage), happening);
  return {};
}

/** @type {Record<string, Action>} by name; README.md says what each does and what its body holds */
export const MESSAGES = {
  deliver: (stage, body) => deliver(stage, body, false),
  own: (stage, body) => deliver(stage, body, true),
  ciphertext: (stage, body) => deliver(stage, { ...body, type: 'ciphertext' }, false),
  decrypt(stage, { id, chat, body, type = 'chat', ...fields }) {
    const stanza = knownMessage(stage, id, chat);
    Object.assign(stanza, fields, { type, body });
    return enqueue(stage, { kind: 'decrypt', stanza: id, chat, fields: { ...fields, type, body } });
  },
  edit(stage, { id, chat, body, at = Date.now(), sealed = false }) {
    const stanza = knownMessage(stage, id, chat);
    const name = stanza.directPath ? 'caption' : 'body';
    Object.assign(stanza, { [name]: body, latestEditSenderTimestampMs: at });
    const editId = newStanzaId();
    enqueue(stage, { kind: 'edit', stanza: id, chat, body, at, editId, sealed });
    return { edit_id: editId };
  },
  revoke(stage, { id, chat, scope = 'everyone', t = now() }) {
    if (scope !== 'everyone' && scope !== 'me')
      throw new BadRequest('cannot revoke: `scope` is everyone or me');
    const stanza = knownMessage(stage, id, chat);
    const revokeId = newStanzaId();
    enqueue(stage, { kind: 'revoke', stanza: id, chat, scope, t, revokeId });
    if (scope === 'me') stage.phone.forget(accountOf(stage), stanza);
    else Object.assign(stanza, { type: 'revoked', subtype: 'sender', revokeTimestamp: t, body: undefined });
    return { revoke_id: revokeId };
  },
  react(stage, body) {
    const account = accountOf(stage);
    const wanted = body.reactions ?? [body];
    if (!Array.isArray(wanted) || wanted.length === 0)
      throw new BadRequest('cannot react: `reactions` is a list of at least one');
    const reactions = wanted.map(({ id, chat, emoji, from, from_me = false, t = now(), read = false }) => {
      const stanza = knownMessage(stage, id, chat);
      const other = from ? widText(from, 'from') : (stanza.author ?? stanza.remote);
      const sender = from_me ? `${account.phone}@c.us` : other;
      const others = (stanza.reactions ?? []).filter((each) => each.sender !== sender);
      const before = stanza.reactions?.find((each) => each.sender === sender);
      if (read && !before) throw new BadRequest(`cannot mark as read: ${sender} has not reacted to ${id}`);
      // The page's own call for `read` has the same reaction again, under the id it had.
      const fresh = { stanza: id, chat, emoji: emoji ?? '', sender, fromMe: from_me, t, read };
      const reaction = read && before ? { ...before, read } : { ...fresh, id: newStanzaId() };
      stanza.reactions = [...others, reaction];
      return reaction;
    });
    enqueue(stage, { kind: 'react', reactions });
    const ids = reactions.map((reaction) => reaction.id);
    return { reaction_id: ids[0], reaction_ids: ids };
  },
  ack(stage, { id, ack }) {
    knownMessage(stage, id);
    return enqueue(stage, { kind: 'ack', stanza: id, ack });
  },
  vote(stage, { id, from, from_me = false, options = [], t = now() }) {
    const stanza = knownMessage(stage, id);
    const other = from ? widText(from, 'from') : (stanza.author ?? stanza.remote);
    const sender = from_me ? `${accountOf(stage).phone}@c.us` : other;
    const vote = { stanza: id, sender, fromMe: from_me, options, t, id: newStanzaId() };
    enqueue(stage, { kind: 'vote', ...vote });
    return { vote_id: vote.id };
  },
  call(
    stage,
    { from, outgoing = false, answered = false, video = false, id = newStanzaId(), log = true, t = now() },
  ) {
    const peer = widText(from, 'from');
    const call = {
      id,
      peerJid: peer,
      isVideo: video,
      isGroup: false,
      outgoing,
      offerTime: t,
      participants: [],
    };
    const rings = { canHandleLocally: false, webClientShouldHandle: false };
    const state = outgoing ? 'OUTGOING_RING' : 'INCOMING_RING';
    const ends = answered ? 'HANDLED_REMOTELY' : 'NOT_ANSWERED';
    enqueue(stage, { kind: 'call', call: { ...call, ...rings, state }, ends });
    if (log) {
      const line = {
        type: 'call_log',
        t,
        isVideoCall: video,
        callOutcome: answered ? 'Completed' : 'Missed',
      };
      const stanza = makeStanza({ ...line, [outgoing ? 'to' : 'from']: peer }, accountOf(stage), outgoing);
      stage.phone.deliver(accountOf(stage), { ...stanza, callDuration: answered ? 30 : 0 });
    }
    return { call_id: id };
  },
  contact(stage, { phone, lid, server_only, ...card }) {
    const account = accountOf(stage);
    const wid = widText(phone, 'phone');
    const lidWid = lid && { lid: lidText(lid) };
    const full = { ...account.contacts.get(wid), ...card, ...lidWid, phone: wid };
    account.contacts.set(wid, full);
    if (!server_only) enqueue(stage, { kind: 'contact', card: full });
    return {};
  },
  async same(stage, { id, chat, times = 1, lid, wait = 10_000 }) {
    const stanza = knownMessage(stage, id, chat);
    if (lid) {
      const account = accountOf(stage);
      stage.phone.deliver(account, underLid(stanza, lidText(lid), account));
    }
    const given = { id, remote: stanza.remote, times };
    return { done: await stage.pages.command('same', given, { limit: wait }) };
  },
};
