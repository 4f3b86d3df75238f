// What people share and what businesses send to be tapped, from the page's record to the wire.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageFields } from '../src/message/message-line.js';

const ANA = '5491155550001@c.us';
const SHOP = '5491155550100@c.us';

/** @param {Record<string, unknown>} more */
function fields(more) {
  const raw = {
    id: { fromMe: false, remote: ANA, id: '3EB0A1' },
    t: 1795400219,
    from: ANA,
    to: SHOP,
    ...more,
  };
  return /** @type {Record<string, any>} */ (messageFields(raw, 'live'));
}

test('a message without anything of the kind has none of these fields', () => {
  const plain = Object.keys(fields({ type: 'chat', body: 'Hola' }));
  for (const name of ['product', 'payment', 'invitation', 'event', 'poll', 'menu', 'status_reply', 'unknown'])
    assert.ok(!plain.includes(name), name);
});

test('a product has its title and prices; its picture is no text', () => {
  const product = { type: 'product', body: '/9j/4AAQ', productId: '88', businessOwnerJid: SHOP };
  const told = { title: 'Lámpara', description: 'bronce', currencyCode: 'ARS', priceAmount1000: 45000000 };
  const line = fields({ ...product, ...told, salePriceAmount1000: 40000000 });
  assert.equal(line.body, null);
  assert.deepEqual(line.product, {
    product_id: '88',
    title: 'Lámpara',
    description: 'bronce',
    price: 45000000,
    sale_price: 40000000,
    currency: 'ARS',
    url: null,
    business: SHOP,
  });
  const nameless = fields(product).product;
  assert.deepEqual([nameless.product_id, nameless.title, nameless.price], ['88', null, null]);
  assert.deepEqual(Object.values(fields({ type: 'product' }).product), Array(8).fill(null));
});

test('a quoted product is told, and what comes from the page of a product', () => {
  const quotedMsg = { type: 'product', body: '/9j/4AAQ', title: 'Lámpara', priceAmount1000: 45000000 };
  const asked = {
    type: 'chat',
    body: 'y esta?',
    quotedStanzaID: 'product_inquiry:47',
    quotedParticipant: SHOP,
  };
  assert.equal(fields({ ...asked, quotedMsg }).quoted.product.title, 'Lámpara');
  assert.equal(fields({ ...asked, quotedMsg }).quoted.product.product_id, '47');
  assert.equal(fields({ ...asked, quotedMsg }).quoted.body, null);
  assert.equal(fields(asked).quoted.product.product_id, '47', 'without what was quoted');
  const shared = fields({ ...asked, quotedStanzaID: '3EB0A9', quotedMsg: { ...quotedMsg, productId: '9' } });
  assert.equal(shared.quoted.product.product_id, '9');
  const other = { ...asked, quotedStanzaID: '3EB0A9', quotedMsg: { type: 'chat', body: 'product_inquiry' } };
  assert.ok(!('product' in fields(other).quoted));
});

test('a payment has kind, amount and note, and may lack all of them', () => {
  const money = { paymentCurrency: 'BRL', paymentAmount1000: 45000, paymentStatus: 4 };
  const note = { paymentNoteMsg: { type: 'chat', body: 'pela lâmpada' } };
  const sent = fields({ type: 'payment', subtype: 'send', ...money, ...note });
  assert.equal(sent.body, 'pela lâmpada');
  assert.deepEqual(sent.payment, {
    kind: 'send',
    amount: 45000,
    currency: 'BRL',
    status: 'complete',
    note: 'pela lâmpada',
    expires: null,
    receiver: null,
    request: null,
  });
  const bare = fields({ type: 'payment', subtype: 'request', paymentStatus: 99 });
  assert.deepEqual(
    [bare.body, bare.payment.kind, bare.payment.amount, bare.payment.status],
    [null, 'request', null, null],
  );
  const key = { fromMe: true, remote: ANA, id: '3EB0R' };
  const back = { subtype: 'payment_transaction_request_cancelled', paymentRequestMessageKey: key };
  assert.equal(fields({ type: 'unknown', ...back }).payment.kind, 'request_cancelled');
  assert.equal(fields({ type: 'unknown', ...back }).payment.request, '3EB0R');
});

test('an invitation has its name and the words with it, and no code', () => {
  const group = { type: 'groups_v4_invite', inviteGrp: '120363000000000001@g.us', inviteCode: 'SECRET' };
  const line = fields({ ...group, inviteGrpName: 'Ferias', comment: 'Sumate', inviteCodeExp: '1795700000' });
  assert.equal(line.body, 'Sumate');
  assert.deepEqual(line.invitation, {
    kind: 'group',
    name: 'Ferias',
    id: '120363000000000001@g.us',
    expires: 1795700000,
  });
  const info = { newsletterId: '1@newsletter', newsletterName: 'Ofertas', inviteMessage: 'Seguinos' };
  const follow = fields({ type: 'newsletter_follower_invite', newsletterFollowerInviteInfo: info });
  assert.deepEqual(
    [follow.body, follow.invitation.kind, follow.invitation.name],
    ['Seguinos', 'channel', 'Ofertas'],
  );
  const admin = fields({ type: 'newsletter_admin_invite', newsletterAdminInviteInfo: info });
  assert.equal(admin.invitation.kind, 'channel_admin');
});

test('an event has name, time and place', () => {
  const event = { type: 'event_creation', body: '', eventName: 'Visita', eventDescription: 'paso el jueves' };
  const place = { degreesLatitude: -34.6, degreesLongitude: -58.4, name: 'El local', address: 'Calle 1' };
  const line = fields({ ...event, eventStartTime: 1795700000, eventLocation: place, isEventCanceled: true });
  assert.equal(line.body, 'Visita');
  assert.deepEqual(line.event, {
    name: 'Visita',
    description: 'paso el jueves',
    starts: 1795700000,
    ends: null,
    place: 'El local',
    address: 'Calle 1',
    link: null,
    call: false,
    cancelled: true,
  });
  assert.equal(fields({ ...event, eventIsScheduledCall: true }).event.call, true);
  assert.equal(fields({ type: 'event_creation' }).event.name, null);
});

test('a poll has all its options, and its results the votes', () => {
  const pollOptions = Array.from({ length: 12 }, (_, number) => ({
    name: `Talle ${number}`,
    localId: number,
  }));
  const poll = fields({
    type: 'poll_creation',
    pollName: '¿Talle?',
    pollOptions,
    pollSelectableOptionsCount: 1,
  });
  assert.equal(poll.body, '¿Talle?');
  assert.equal(poll.poll.several, false);
  assert.deepEqual(
    poll.poll.options,
    pollOptions.map(({ name, localId }) => ({ id: localId, name })),
  );
  const pollVotes = [{ option: { localId: 0, name: 'Rojo' }, optionVoteCount: 3 }];
  const results = fields({
    type: 'poll_result_snapshot',
    pollName: '¿Color?',
    pollVotesSnapshot: { pollVotes },
  });
  assert.deepEqual(results.poll.options, [{ id: 0, name: 'Rojo', votes: 3 }]);
});

test('a vote has the question and the names of what was chosen, as far as they are known', () => {
  const poll = { fromMe: true, remote: ANA, id: '3EB0P' };
  const vote = { poll, question: '¿Talle?', selected: [1, 2], options: ['M', 'L'] };
  const line = fields({ type: 'poll_vote', leadmasterd_vote: vote });
  assert.deepEqual([line.message_type, line.body], ['poll_vote', 'M, L']);
  assert.deepEqual(line.poll_vote, { ...vote, poll: '3EB0P' });
  assert.ok(!('leadmasterd_vote' in line.data));
  const unknown = fields({
    type: 'poll_vote',
    leadmasterd_vote: { poll, selected: [4, 'x'], options: [null] },
  });
  assert.deepEqual([unknown.body, unknown.poll_vote.selected, unknown.poll_vote.options], [null, [4], []]);
});

test('lists, buttons, templates, flows and cards tell what can be tapped', () => {
  const sections = [{ title: 'A', rows: [{ title: 'Corte', rowId: '1' }, { title: 'Color' }] }, { rows: [] }];
  const list = fields({
    type: 'list',
    list: { title: 'Turnos', description: 'Elegí', sections },
    footer: 'Hasta las 20',
  });
  assert.equal(list.body, 'Elegí');
  assert.deepEqual(list.menu, {
    kind: 'list',
    name: null,
    title: 'Turnos',
    footer: 'Hasta las 20',
    options: ['Corte', 'Color'],
  });
  const reply = [{ buttonId: 'b', buttonText: { displayText: 'Sí' } }, { buttonText: {} }];
  assert.deepEqual(fields({ type: 'chat', body: '?', dynamicReplyButtons: reply }).menu.options, ['Sí']);
  const hydratedButtons = [
    { quickReplyButton: { displayText: 'Ver' } },
    { urlButton: { displayText: 'Web', url: 'https://x.example' } },
    { callButton: { displayText: 'Llamar' } },
  ];
  const template = fields({ type: 'image', caption: 'Promo', hydratedButtons, mimetype: 'image/jpeg' });
  assert.deepEqual([template.body, template.menu.options], ['Promo', ['Ver', 'Web', 'Llamar']]);
  const buttons = [
    { name: 'cta_url', buttonParamsJson: '{"display_text":"Comprar"}' },
    { buttonParamsJson: 'no' },
  ];
  const flow = { type: 'interactive', caption: 'Mirá', nativeFlowName: 'catalog_message' };
  const shown = fields({ ...flow, interactivePayload: { buttons }, interactiveHeader: { title: 'Otoño' } });
  assert.deepEqual(shown.menu, {
    kind: 'flow',
    name: 'catalog_message',
    title: 'Otoño',
    footer: null,
    options: ['Comprar'],
  });
  const cards = fields({ ...flow, carouselCardsParsed: [{ caption: 'Uno' }, { caption: 'Dos' }] });
  assert.deepEqual([cards.menu.kind, cards.menu.options], ['carousel', ['Uno', 'Dos']]);
});

test('what was filled into a flow is told without the keys of the flow itself', () => {
  const filled = {
    flow_token: 't',
    name: 'Ana',
    days: ['lunes', 'martes'],
    guests: 2,
    screen: { id: 1 },
    empty: '',
  };
  const payload = { name: 'flow', buttonParamsJson: JSON.stringify(filled) };
  const answer = fields({ type: 'interactive_response', body: 'Listo', interactivePayload: payload });
  assert.deepEqual(answer.reply, {
    kind: 'flow',
    id: 'flow',
    text: 'Listo',
    answers: ['Ana', 'lunes', 'martes', '2'],
  });
  const broken = { type: 'interactive_response', interactivePayload: { buttonParamsJson: '{' } };
  assert.deepEqual(fields(broken).reply, { kind: 'flow', id: null, text: null });
});

test('an answer to a status says so', () => {
  const quoted = {
    quotedStanzaID: '3EB0S',
    quotedParticipant: SHOP,
    quotedMsg: { type: 'chat', body: 'Llegó' },
  };
  const reply = { type: 'chat', body: 'precio?', quotedRemoteJid: 'status@broadcast', ...quoted };
  assert.deepEqual(fields(reply).status_reply, { author: SHOP, id: '3EB0S' });
  assert.equal(fields(reply).quoted.body, 'Llegó');
  assert.ok(!('status_reply' in fields({ ...reply, quotedRemoteJid: ANA })));
});

test('what the page could not read is told with what it knows of it', () => {
  assert.deepEqual(fields({ type: 'unknown', subtype: 'phone_only_feature' }).unknown, {
    subtype: 'phone_only_feature',
    future_type: null,
  });
  const later = fields({ type: 'unknown', futureproofType: 'poll_creation', body: 'words' });
  assert.deepEqual([later.body, later.unknown.future_type], ['words', 'poll_creation']);
  const never = fields({ type: 'hologram', body: 'Hola', caption: 'x' });
  assert.deepEqual([never.message_type, never.body, 'unknown' in never], ['hologram', 'Hola', false]);
});

test('a live location says that it is one', () => {
  const place = { type: 'location', lat: -34.6, lng: -58.4, body: '/9j/' };
  const live = fields({ ...place, isLive: true, comment: 'voy' });
  assert.deepEqual([live.location.live, live.body], [true, 'voy']);
  assert.ok(!('live' in fields(place).location));
});

test('absurdly long names are cut where they only describe', () => {
  const long = 'x'.repeat(100_000);
  assert.equal(fields({ type: 'product', title: long }).product.title.length, 4096);
  assert.equal(fields({ type: 'groups_v4_invite', inviteGrpName: long }).invitation.name.length, 4096);
});
