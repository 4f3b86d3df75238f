// The record that crosses from the page to Node, built from models as odd as a build may make them. listener-messages
// tests it in a real page, under every shape of ids.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageFields } from '../src/message/message-line.js';
import { contactFacts, messageRecord } from '../src/page/records.js';

const ANA = '5491155550001@c.us';
const SHOP = '5491155550100@c.us';

/** A chat's or user's id whose text is under an unknown name. */
class Wid {
  /** @param {string} text */
  constructor(text) {
    const [user, server] = text.split('@');
    Object.assign(this, { user, server, $9: text });
  }
}

/** A message whose fields are all computed; none is an own property. */
class Message {
  get id() {
    return { fromMe: false, remote: new Wid(ANA), id: '3EB0', $9: `false_${ANA}_3EB0` };
  }
  get t() {
    return 1795400000;
  }
  get type() {
    return 'chat';
  }
  get body() {
    return '¿hay stock?';
  }
  get notifyName() {
    return 'Ana';
  }
  get from() {
    return new Wid(ANA);
  }
  get to() {
    return new Wid(SHOP);
  }
  serialize() {
    throw new Error('cannot be serialized');
  }
}

/** @param {any} raw */
function lineOf(raw) {
  const { id, t, message_type, body, from, to, notify_name } = messageFields(raw, 'live') ?? {};
  return { id, t, message_type, body, from, to, notify_name };
}

const LINE = {
  id: { fromMe: false, remote: ANA, id: '3EB0', participant: null },
  t: 1795400000,
  message_type: 'chat',
  body: '¿hay stock?',
  from: ANA,
  to: SHOP,
  notify_name: 'Ana',
};

test('a message that cannot be serialized is read field by field', () => {
  assert.deepEqual(lineOf(messageRecord(new Message())), LINE);
});

test('ids that serializing left out come from the message itself', () => {
  // as the library leaves it, which reads the chat's text from a field that is gone (Utils.js:831-835)
  const id = { fromMe: false, remote: undefined, id: '3EB0', $9: `false_${ANA}_3EB0` };
  const serialized = {
    id,
    t: 1795400000,
    type: 'chat',
    body: '¿hay stock?',
    notifyName: 'Ana',
    from: {},
    to: {},
  };
  assert.deepEqual(lineOf(messageRecord(new Message(), serialized)), LINE);
});

test('time and text come from the serialized record', () => {
  const serialized = { t: 1795400001, type: 'ptt', body: 'lo que dice el registro' };
  const { t, type, body } = messageRecord(new Message(), serialized);
  assert.deepEqual([t, type, body], [1795400001, 'ptt', 'lo que dice el registro']);
});

test('a field that throws costs only itself', () => {
  const message = Object.defineProperty(new Message(), 'body', {
    get() {
      throw new Error('not loaded');
    },
  });
  assert.deepEqual(lineOf(messageRecord(message)), { ...LINE, body: null });
});

test("the other id of a chat is the page's mapping, else what the chat itself says", () => {
  /** @type {any} */
  const page = globalThis;
  const chats = { get: () => ({ accountLid: { user: '99', server: 'hosted.lid' } }) };
  /** @type {Record<string, any>} */
  const modules = {
    WAWebCollections: { Contact: { get: () => undefined }, Chat: chats },
    WAWebApiContact: {
      getCurrentLid: () => undefined,
      getPhoneNumber: () => ({ user: '54911', server: 'hosted' }),
    },
  };
  page.require = (/** @type {string} */ name) => modules[name];
  try {
    const ids = (/** @type {string} */ chat) => {
      const { phone, lid } = contactFacts(new Wid(chat)) ?? {};
      return [phone, lid];
    };
    assert.deepEqual(ids(ANA), [ANA, '99@lid']);
    assert.deepEqual(ids('5491155550001@hosted'), [ANA, '99@lid']);
    assert.deepEqual(ids('77@hosted.lid'), ['54911@c.us', '77@lid']);
  } finally {
    delete page.require;
  }
});
