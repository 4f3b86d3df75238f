import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callFields, reactionFields } from '../src/message/addon-line.js';
import {
  CONTACT,
  ciphertextFields,
  editFields,
  messageFields,
  revokeFields,
} from '../src/message/message-line.js';

const ANA = '5491155550001@c.us';
const SHOP = '5491155550100@c.us';

/**
 * A record as the page gives it, with ids in one of the shapes of its builds.
 * @param {Record<string, unknown>} [more]
 * @param {(text: string) => unknown} [wid]
 */
function rawMessage(more = {}, wid = (text) => text) {
  return {
    id: { fromMe: false, remote: wid(ANA), id: '3EB0A1' },
    t: 1795400219,
    type: 'chat',
    from: wid(ANA),
    to: wid(SHOP),
    notifyName: 'Ana',
    body: 'Hola, precio?',
    ...more,
  };
}

/** @param {Record<string, unknown>} raw */
const fields = (raw) => /** @type {Record<string, any>} */ (messageFields(raw, 'live'));

test('a text message has every documented field', () => {
  assert.deepEqual(fields(rawMessage()), {
    via: 'live',
    id: { fromMe: false, remote: ANA, id: '3EB0A1', participant: null },
    t: 1795400219,
    message_type: 'chat',
    from: ANA,
    to: SHOP,
    author: null,
    notify_name: 'Ana',
    body: 'Hola, precio?',
    media: null,
    location: null,
    contact_cards: [],
    quoted: null,
    order: null,
    reply: null,
    referral: null,
    contact: { saved_name: null, business: false, phone: ANA, lid: null },
    ephemeral_seconds: null,
    forwarded: false,
    data: rawMessage(),
  });
});

test('the name of a sender that the record lacks is the one in the address book', () => {
  const book = { saved_name: null, business: false, push_name: 'Ana B', phone: ANA, lid: null };
  assert.equal(fields(rawMessage({ notifyName: undefined, [CONTACT]: book })).notify_name, 'Ana B');
  assert.equal(fields(rawMessage({ [CONTACT]: book })).notify_name, 'Ana');
  const own = { id: { fromMe: true, remote: ANA, id: '3EB0A2' }, notifyName: undefined, [CONTACT]: book };
  assert.equal(fields(rawMessage(own)).notify_name, null);
});

test('hosted and hosted.lid are the servers of a phone and of a LID', () => {
  const hosted = { id: { fromMe: false, remote: '5491155550001@hosted', id: 'A' } };
  assert.deepEqual(fields(rawMessage(hosted)).contact, {
    saved_name: null,
    business: false,
    phone: ANA,
    lid: null,
  });
  const lid = { id: { fromMe: false, remote: '99@hosted.lid', id: 'A' } };
  assert.equal(fields(rawMessage(lid)).contact.lid, '99@lid');
  assert.equal(fields(rawMessage(lid)).contact.phone, null);
});

test('ids in either shape give the same line', () => {
  const [user, server] = ANA.split('@');
  const expected = { ...fields(rawMessage()), data: null };
  for (const key of ['_serialized', '$1', 'nothing']) {
    const wid = (/** @type {string} */ text) => {
      const [name, host] = text.split('@');
      return { user: name, server: host, [key]: text };
    };
    assert.deepEqual({ ...fields(rawMessage({}, wid)), data: null }, expected, key);
  }
  const onlySerialised = rawMessage({ id: { $1: `false_${user}@${server}_3EB0A1` } });
  assert.deepEqual({ ...fields(onlySerialised), data: null }, expected);
});

test('media is described, and its preview is never its text', () => {
  const line = fields(
    rawMessage({
      type: 'document',
      body: '/9j/4AAQ',
      caption: 'la lista',
      mimetype: 'application/pdf',
      filename: 'lista.pdf',
      size: 1234,
      pageCount: 2,
      filehash: 'aGFzaA==',
      directPath: '/v/t62',
      thumbnail: 'AAAA',
      mediaKey: 'a2V5',
    }),
  );
  assert.equal(line.body, 'la lista');
  assert.deepEqual(line.media, {
    mimetype: 'application/pdf',
    filename: 'lista.pdf',
    size: 1234,
    seconds: null,
    width: null,
    height: null,
    pages: 2,
    filehash: 'aGFzaA==',
    view_once: false,
  });
  assert.equal(line.data.body, undefined);
  assert.equal(line.data.thumbnail, undefined);
  assert.equal(line.data.mediaKey, 'a2V5', 'what is needed to fetch it later stays');
});

test('a voice message without a caption has no text, and its length in seconds', () => {
  const line = fields(rawMessage({ type: 'ptt', body: undefined, duration: '12', mimetype: 'audio/ogg' }));
  assert.equal(line.body, null);
  assert.equal(line.media.seconds, 12);
});

test('a view-once picture says so', () => {
  const line = fields(rawMessage({ type: 'image', isViewOnce: true, body: '/9j/' }));
  assert.equal(line.media.view_once, true);
  assert.equal(line.body, null);
});

test('a location has its coordinates, name and address', () => {
  const line = fields(
    rawMessage({
      type: 'location',
      lat: -34.6,
      lng: -58.4,
      loc: 'Local\nAv. Siempre Viva 742\nCABA',
      clientUrl: 'https://x',
      body: '/9j/',
    }),
  );
  assert.deepEqual(line.location, {
    latitude: -34.6,
    longitude: -58.4,
    name: 'Local',
    address: 'Av. Siempre Viva 742\nCABA',
    url: 'https://x',
  });
  assert.equal(line.body, null);
});

test('contact cards come as vCards, one or many', () => {
  assert.deepEqual(fields(rawMessage({ type: 'vcard', body: 'BEGIN:VCARD' })).contact_cards, ['BEGIN:VCARD']);
  const many = rawMessage({
    type: 'multi_vcard',
    body: undefined,
    vcardList: [{ vcard: 'A' }, { vcard: 'B' }, {}],
  });
  assert.deepEqual(fields(many).contact_cards, ['A', 'B']);
  assert.equal(fields(rawMessage({ type: 'vcard', body: 'BEGIN:VCARD' })).body, null);
});

test('a quoted message has its own text', () => {
  const line = fields(
    rawMessage({
      quotedStanzaID: '3EB0Q',
      quotedParticipant: SHOP,
      quotedMsg: { type: 'chat', body: 'Tenemos combo' },
    }),
  );
  assert.deepEqual(line.quoted, {
    id: '3EB0Q',
    participant: SHOP,
    body: 'Tenemos combo',
    message_type: 'chat',
  });
  const picture = rawMessage({
    quotedStanzaID: '3EB0Q',
    quotedMsg: { type: 'image', body: '/9j/', caption: 'foto' },
  });
  assert.equal(fields(picture).quoted.body, 'foto');
  assert.equal(fields(picture).data.quotedMsg.body, undefined);
});

test("a call's line in the chat says whether somebody answered, by words, numbers or its duration", () => {
  const call = (/** @type {object} */ of) => fields(rawMessage({ type: 'call_log', body: null, ...of })).call;
  const ended = { outcome: 'Completed', answered: true, video: true, seconds: 30 };
  assert.deepEqual(call({ callOutcome: 'Completed', callDuration: '30', isVideoCall: true }), ended);
  assert.equal(call({ callOutcome: 'Missed', callDuration: 0 }).answered, false);
  assert.equal(call({ callOutcome: 'AcceptedElsewhere' }).answered, true);
  assert.equal(call({ callOutcome: 4 }).answered, true);
  assert.equal(call({ callOutcome: 1 }).answered, false);
  assert.equal(call({ callDuration: 12 }).answered, true);
  assert.deepEqual(call({}), { outcome: null, answered: false, video: false, seconds: null });
  assert.equal('call' in fields(rawMessage({})), false);
});

test('orders, and answers to lists, buttons and flows', () => {
  const order = rawMessage({
    type: 'order',
    orderId: '77',
    orderTitle: 'Combo',
    itemCount: 2,
    totalAmount1000: 25000000,
    totalCurrencyCode: 'ARS',
  });
  assert.deepEqual(fields(order).order, {
    order_id: '77',
    title: 'Combo',
    items: 2,
    total: 25000000,
    currency: 'ARS',
  });
  const list = rawMessage({
    type: 'list_response',
    listResponse: { title: 'Envíos', singleSelectReply: { selectedRowId: 'r2' } },
  });
  assert.deepEqual(fields(list).reply, { kind: 'list', id: 'r2', text: 'Envíos' });
  const button = rawMessage({ type: 'buttons_response', body: 'Sí', selectedButtonId: 'b1' });
  assert.deepEqual(fields(button).reply, { kind: 'button', id: 'b1', text: 'Sí' });
  const flow = rawMessage({
    type: 'interactive',
    body: undefined,
    interactiveResponseMessage: {
      body: { text: 'Turno 10:00' },
      nativeFlowResponseMessage: { name: 'booking' },
    },
  });
  assert.deepEqual(fields(flow).reply, { kind: 'flow', id: 'booking', text: 'Turno 10:00' });
});

test('an ad referral comes from its context, or from the little that newer ads carry', () => {
  const ad = rawMessage({
    ctwaContext: {
      sourceUrl: 'https://fb.me/x',
      sourceId: '120',
      sourceApp: 'facebook',
      title: 'Oferta',
      description: '2x1',
      mediaType: 1,
      conversionSource: 'FB_Ads',
      automatedGreetingMessageShown: true,
    },
  });
  assert.deepEqual(fields(ad).referral, {
    source_url: 'https://fb.me/x',
    source_id: '120',
    source_app: 'facebook',
    title: 'Oferta',
    description: '2x1',
    media_type: 1,
    conversion_source: 'FB_Ads',
    greeting_shown: true,
  });
  const opaque = fields(rawMessage({ entryPointConversionSource: 'ctwa_ad' })).referral;
  assert.equal(opaque.conversion_source, 'ctwa_ad');
  assert.equal(fields(rawMessage({ entryPointConversionSource: 'global_search_new_chat' })).referral, null);
});

test("what the page's address book knows is in the line, and not in the raw record", () => {
  const line = fields(
    rawMessage({ [CONTACT]: { saved_name: 'Ana vecina', business: true, phone: ANA, lid: '99@lid' } }),
  );
  assert.deepEqual(line.contact, { saved_name: 'Ana vecina', business: true, phone: ANA, lid: '99@lid' });
  assert.equal(line.data[CONTACT], undefined);
});

test('a chat known only by its LID has no phone', () => {
  const line = fields(rawMessage({ id: { fromMe: false, remote: '99@lid', id: 'X' }, from: '99@lid' }));
  assert.deepEqual(line.contact, { saved_name: null, business: false, phone: null, lid: '99@lid' });
});

test('a group message has its author, in a direct chat it is null', () => {
  const group = { fromMe: false, remote: '1203@g.us', id: 'X', participant: ANA };
  assert.equal(fields(rawMessage({ id: group, from: '1203@g.us', author: ANA })).author, ANA);
  assert.equal(fields(rawMessage({ id: group, from: '1203@g.us' })).author, ANA);
  assert.equal(fields(rawMessage({ author: ANA })).author, null);
});

test('polls, forwards and disappearing messages', () => {
  assert.equal(
    fields(rawMessage({ type: 'poll_creation', body: '', pollName: '¿Qué talle?' })).body,
    '¿Qué talle?',
  );
  assert.equal(fields(rawMessage({ isForwarded: true })).forwarded, true);
  assert.equal(fields(rawMessage({ forwardingScore: 3 })).forwarded, true);
  assert.equal(fields(rawMessage({ ephemeralDuration: 86400 })).ephemeral_seconds, 86400);
  assert.equal(fields(rawMessage({ ephemeralDuration: 0 })).ephemeral_seconds, null);
});

test('a record without an identity or a time is no message', () => {
  assert.equal(messageFields(rawMessage({ id: null }), 'live'), null);
  assert.equal(messageFields(rawMessage({ t: undefined }), 'live'), null);
  assert.equal(messageFields({}, 'sweep'), null);
});

test('garbage in every field costs only that field', () => {
  const names = Object.keys({
    ...rawMessage(),
    quotedMsg: 1,
    listResponse: 1,
    ctwaContext: 1,
    vcardList: 1,
    lat: 1,
    lng: 1,
    duration: 1,
    list: 1,
    hydratedButtons: 1,
    carouselCardsParsed: 1,
    interactivePayload: 1,
    paymentNoteMsg: 1,
    newsletterAdminInviteInfo: 1,
    eventName: 1,
    eventLocation: 1,
    pollName: 1,
    pollOptions: 1,
    pollVotesSnapshot: 1,
    futureproofType: 1,
    quotedRemoteJid: 1,
  });
  for (const name of names.filter((each) => !['id', 't'].includes(each))) {
    for (const value of [null, undefined, 7, true, {}, [], [null], '', Number.NaN]) {
      assert.ok(messageFields(rawMessage({ [name]: value }), 'live'), `${name} = ${JSON.stringify(value)}`);
    }
  }
});

test('a ciphertext has who and when, and its subtype', () => {
  assert.deepEqual(
    ciphertextFields(rawMessage({ type: 'ciphertext', subtype: 'view_once_unavailable_fanout' }), 'sweep'),
    {
      via: 'sweep',
      id: { fromMe: false, remote: ANA, id: '3EB0A1', participant: null },
      t: 1795400219,
      from: ANA,
      to: SHOP,
      author: null,
      notify_name: 'Ana',
      contact: { saved_name: null, business: false, phone: ANA, lid: null },
      subtype: 'view_once_unavailable_fanout',
    },
  );
});

test('an edit has the new text and its time; a placeholder that gets its text is no edit', () => {
  assert.deepEqual(editFields(rawMessage({ body: 'Hola!', latestEditSenderTimestampMs: 1795400229500 })), {
    id: { fromMe: false, remote: ANA, id: '3EB0A1', participant: null },
    t: 1795400219,
    edited_t: 1795400229,
    body: 'Hola!',
  });
  assert.equal(editFields(rawMessage({ type: 'ciphertext' })), null);
  assert.equal(editFields(rawMessage({ body: '' })), null);
});

test('a revocation has the key of the message that was revoked', () => {
  const raw = rawMessage({
    type: 'revoked',
    id: { fromMe: false, remote: ANA, id: 'REVOCATION' },
    protocolMessageKey: { fromMe: false, remote: ANA, id: '3EB0A1' },
  });
  const revoked = /** @type {Record<string, any>} */ (revokeFields(raw, 'everyone'));
  assert.equal(revoked.id.id, '3EB0A1');
  assert.equal(revoked.scope, 'everyone');
});

test('the sender of a reaction is found in either shape of ids', () => {
  for (const key of ['_serialized', '$1']) {
    const raw = {
      id: { fromMe: true, remote: ANA, id: 'R' },
      reactionParentKey: { fromMe: false, remote: ANA, id: '3EB0A1' },
      reactionText: '👍',
      reactionTimestamp: 1795400232123,
      from: { user: '5491155550100', server: 'c.us', [key]: SHOP },
    };
    assert.deepEqual(reactionFields(raw), {
      id: { fromMe: false, remote: ANA, id: '3EB0A1', participant: null },
      from_me: true,
      sender: SHOP,
      emoji: '👍',
      t: 1795400232,
    });
  }
  assert.equal(reactionFields({}), null);
});

test('an edit, a revocation, a reaction and a call name both ids of the other party where the page knows them', () => {
  const [phone, lid] = [ANA, '88001122334455@lid'];
  const key = { fromMe: false, remote: lid, id: '3EB0A1' };
  const told = (/** @type {Record<string, unknown> | undefined} */ facts) => {
    const raw = { ...rawMessage({ id: key, body: 'Hola!' }), leadmasterd_contact: facts };
    return [
      editFields(raw),
      revokeFields(raw, 'everyone'),
      reactionFields({ ...raw, reactionParentKey: key }),
      callFields({ id: 'C0FFEE', peerJid: lid, leadmasterd_contact: facts }, 1795400233),
    ].map((fields) => fields && 'contact' in fields && fields.contact);
  };
  assert.deepEqual(told({ phone, lid, saved_name: 'Ana' }), Array(4).fill({ phone, lid }));
  for (const facts of [undefined, { phone: null, lid }, { phone, lid: null }])
    assert.deepEqual(told(facts), Array(4).fill(false));
});

test("a call has our clock's time, because the library forwards none", () => {
  assert.deepEqual(callFields({ id: 'C0FFEE', peerJid: ANA, outgoing: false, isVideo: true }, 1795400233), {
    call_id: 'C0FFEE',
    chat: ANA,
    t: 1795400233,
    outgoing: false,
    answered: false,
    video: true,
  });
  assert.equal(callFields({ id: 'C' }, 1), null);
});
