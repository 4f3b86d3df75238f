// Records of the page that have what few have: docs/protocol.md shows a line of each.

const [ANA, BUSINESS, SHOP] = ['5491155550001@c.us', '5491155550004@hosted', '5491155550100@c.us'];
const LID = '88001122334455@lid';

/** Fields that a line has only where there is something to tell. */
export const OPTIONAL = new Set(
  'call contact event invitation marks menu payment poll poll_vote product status_reply unknown'.split(' '),
);

const key = (/** @type {boolean} */ fromMe, /** @type {string} */ id, remote = ANA) => ({
  fromMe,
  remote,
  id,
});

/** @type {Record<string, unknown>[]} */
const OURS = [
  { type: 'chat', body: 'Tu pedido salió', isFromTemplate: true, author: '5491155550100:99@hosted' },
  { type: 'chat', body: 'Promo de hoy', broadcast: true, broadcastId: '17954001@broadcast' },
  { type: 'list', list: { description: '¿Qué buscás?', sections: [{ rows: [{ title: 'Envíos' }] }] } },
  {
    type: 'poll_creation',
    pollName: '¿Talle?',
    pollOptions: [
      { localId: 0, name: 'M' },
      { localId: 1, name: 'L' },
    ],
    pollSelectableOptionsCount: 1,
  },
];

/** @type {Record<string, unknown>[]} */
const THEIRS = [
  {
    type: 'poll_vote',
    leadmasterd_vote: { poll: key(true, '3EB0B4'), question: '¿Talle?', selected: [1], options: ['L'] },
  },
  {
    id: key(false, '3EB0C2', BUSINESS),
    from: BUSINESS,
    type: 'chat',
    body: '¡Hola!',
    bizBotType: 'biz_1p',
    verifiedBizName: 'Panadería',
  },
  { type: 'product', productId: '88', title: 'Lámpara', businessOwnerJid: SHOP },
  {
    type: 'payment',
    subtype: 'send',
    paymentAmount1000: 45000,
    paymentCurrency: 'BRL',
    paymentStatus: 4,
  },
  { type: 'groups_v4_invite', inviteGrp: '120363000000000001@g.us', inviteGrpName: 'Ferias' },
  { type: 'event_creation', eventName: 'Visita', eventStartTime: 1795700000 },
  {
    type: 'chat',
    body: '¿Precio?',
    quotedRemoteJid: 'status@broadcast',
    quotedParticipant: SHOP,
    quotedStanzaID: '3EB0D1',
    quotedMsg: { type: 'image', caption: 'Oferta' },
  },
  { type: 'call_log', callOutcome: 'Missed', isVideoCall: true },
  { type: 'unknown', subtype: 'phone_only_feature' },
];

const T = 1795400279;
const made = (/** @type {string} */ from, /** @type {string} */ to, /** @type {string} */ letter) => {
  return (/** @type {Record<string, unknown>} */ more, /** @type {number} */ index) => {
    return { id: key(from === SHOP, `3EB0${letter}${index + 1}`), t: T, from, to, ...more };
  };
};

export const MESSAGES = [...OURS.map(made(SHOP, ANA, 'B')), ...THEIRS.map(made(ANA, SHOP, 'C'))];

/** Of a message that was captured under the phone. */
export const EDITED = {
  id: key(false, '3EB0A1', LID),
  t: T,
  type: 'chat',
  body: 'Hola, precio del combo?',
  latestEditSenderTimestampMs: 1795400280000,
  leadmasterd_contact: { phone: ANA, lid: LID },
};
