// The boundary between listening and sending, as far as it is testable without a browser.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import ts from 'typescript';
import { GUARDED, OURS, SENDERS } from '../src/boundary.js';
import { READS, REFUSED } from '../src/method-lists.js';
import { readOnlyView } from '../src/view.js';

const require = createRequire(import.meta.url);
const library = dirname(require.resolve('whatsapp-web.js/package.json'));
/** @type {string[]} */
const UNGUARDED = JSON.parse(readFileSync(new URL('../src/unguarded.json', import.meta.url), 'utf8'));

/** Every class of the installed library that describes or does something on WhatsApp. */
function classes() {
  const found = { ...require(join(library, 'src/structures')) };
  for (const file of readdirSync(join(library, 'src/structures'))) {
    const name = file.replace(/\.js$/, '');
    if (name !== 'index') found[name] ??= require(join(library, 'src/structures', file));
  }
  found.Client = require(join(library, 'src/Client.js'));
  found.InterfaceController = require(join(library, 'src/util/InterfaceController.js'));
  return Object.entries(found).filter(([, each]) => typeof each === 'function');
}

test('every method of every class of the installed library is in the allow list or in the refuse list', () => {
  const seen = [];
  for (const [name, each] of classes()) {
    for (const method of Object.getOwnPropertyNames(each.prototype)) {
      if (method === 'constructor') continue;
      const read = READS[name]?.includes(method) ?? false;
      const refused = REFUSED[name]?.includes(method) ?? false;
      assert.ok(read || refused, `${name}.${method} is new: sort it into src/method-lists.js`);
      assert.ok(!(read && refused), `${name}.${method} is in both lists`);
      seen.push(`${name}.${method}`);
    }
  }
  for (const [name, methods] of [...Object.entries(READS), ...Object.entries(REFUSED)]) {
    for (const method of methods)
      assert.ok(seen.includes(`${name}.${method}`), `${name}.${method} no longer exists`);
  }
  assert.ok(seen.length > 150, `only ${seen.length} methods were found`);
});

test('every page module that the library requires is guarded or listed as unguarded', () => {
  const used = new Set();
  const search = (/** @type {string} */ folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) search(path);
      else for (const [, name] of readFileSync(path, 'utf8').matchAll(/'(WA[A-Z]\w+)'/g)) used.add(name);
    }
  };
  search(join(library, 'src'));
  // keys of WAWebCollections and an argument, not modules
  for (const other of ['WAWebNewsletterCollection', 'WAWebGroupMetadataCollection']) used.delete(other);
  assert.ok(used.size > 120);
  for (const module of used) {
    const sorted = module in GUARDED || UNGUARDED.includes(module);
    assert.ok(
      sorted,
      `the library uses the page module ${module}: sort it into src/boundary.js or src/unguarded.json`,
    );
  }
  for (const module of UNGUARDED) assert.ok(!(module in GUARDED), `${module} is in both lists`);
});

/** In the text of our own code, comments apart: names that begin as those of modules do. */
function namesIn(/** @type {string} */ text) {
  /** @type {Set<string>} */
  const names = new Set();
  const walk = (/** @type {ts.Node} */ node) => {
    const said = ts.isIdentifier(node) || ts.isLiteralExpression(node) || ts.isTemplateHead(node);
    for (const [name] of said ? node.text.matchAll(/\bWA[A-Z]\w*/g) : []) names.add(name);
    ts.forEachChild(node, walk);
  };
  walk(ts.createSourceFile('ours.js', text, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS));
  return names;
}

test('every page module that our own code names is guarded, or listed with what we do with it', () => {
  const folder = new URL('../src/', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const used = new Set(
    files
      .filter((file) => file.endsWith('.js') && file !== 'boundary.js')
      .flatMap((file) => [...namesIn(readFileSync(new URL(file, folder), 'utf8'))]),
  );
  used.delete('WAIntegrityChallengeState'); // a key of the page's preferences
  assert.ok(used.size > 35, `only ${used.size} modules were found`);
  for (const module of used) {
    const lists = [module in GUARDED, UNGUARDED.includes(module), module in OURS];
    const message = `our code names the page module ${module}: read it, then sort it into one list of src/boundary.js`;
    assert.equal(lists.filter(Boolean).length, 1, message);
  }
  for (const module of Object.keys(OURS)) assert.ok(used.has(module), `our code no longer names ${module}`);
});

test('a module is found however our code names it, and one in a comment is not', () => {
  const text = `// WAWebA\nask('WAWebB'); const x = { WAWebC: 1 }; page.require(\`WAWeb\${x}\`); /* WAWebD */ y.WAWebE;`;
  assert.deepEqual([...namesIn(text)], ['WAWebB', 'WAWebC', 'WAWeb', 'WAWebE']);
});

/** The other helpers of the library, each by name: a new one is to be read before it counts as harmless. */
const HARMLESS = [
  'compareWwebVersions',
  'injectToFunction',
  'toStickerData',
  'processStickerData',
  'processMediaData',
  'getMessageModel',
  'getChat',
  'getChannelMetadata',
  'getChats',
  'getChannels',
  'getChatModel',
  'getContactModel',
  'getContact',
  'getContacts',
  'mediaInfoToFile',
  'arrayBufferToBase64',
  'arrayBufferToBase64Async',
  'getFileHash',
  'generateHash',
  'generateWaveform',
  'getLabelModel',
  'getLabels',
  'getLabel',
  'getChatLabels',
  'getOrderDetail',
  'getProductMetadata',
  'cropAndResizeImage',
  'getProfilePicThumbToBase64',
  'getStatusModel',
  'getAllStatuses',
  'enforceLidAndPnRetrieval',
  'assertColor',
];

test('every helper of the library in the page that sends is refused', () => {
  const source = readFileSync(join(library, 'src/util/Injected/Utils.js'), 'utf8');
  const helpers = [...source.matchAll(/window\.WWebJS\.(\w+) = /g)].map(([, name]) => name);
  for (const name of helpers) {
    assert.ok(
      HARMLESS.includes(name) !== SENDERS.includes(name),
      `WWebJS.${name}: sort it into SENDERS of src/boundary.js`,
    );
  }
});

class Client extends EventEmitter {
  info = { pushname: 'Tienda' };
  pupPage = { evaluate() {} };
  async getState() {
    return 'CONNECTED';
  }
  async getChatById() {
    return new Chat(this);
  }
  async sendMessage() {
    assert.fail('it was sent');
  }
}
class Chat {
  name = 'Ana';
  /** @param {Client} client */
  constructor(client) {
    Object.defineProperty(this, 'client', { value: client });
  }
  async sendMessage() {
    assert.fail('it was sent');
  }
  async fetchMessages() {
    return [new Message(this)];
  }
}
class Message {
  body = 'Hola';
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = chat;
  }
  get rawData() {
    return { body: this.body };
  }
  async reply() {
    assert.fail('it was sent');
  }
}

/** A view of a client, and what it refused. */
function view() {
  /** @type {string[]} */
  const refused = [];
  const client = new Client();
  return { client, refused, view: readOnlyView(client, (name, method) => refused.push(`${name}.${method}`)) };
}

test('a view reads, and refuses what sends', async () => {
  const { view: seen, refused } = view();
  assert.equal(await seen.getState(), 'CONNECTED');
  assert.equal(seen.info.pushname, 'Tienda');
  assert.throws(() => seen.sendMessage('1@c.us', 'x'), /only listens: Client.sendMessage/);
  assert.deepEqual(refused, ['Client.sendMessage']);
});

test('what a view returns is a view too', async () => {
  const { view: seen, refused } = view();
  const chat = await seen.getChatById('1@c.us');
  assert.equal(chat.name, 'Ana');
  assert.throws(() => chat.sendMessage('x'), /Chat.sendMessage/);
  const [message] = await chat.fetchMessages();
  assert.deepEqual(message.rawData, { body: 'Hola' });
  assert.throws(() => message.reply('x'), /Message.reply/);
  assert.throws(() => message.chat.sendMessage('x'), /Chat.sendMessage/);
  assert.deepEqual(refused, ['Chat.sendMessage', 'Message.reply', 'Chat.sendMessage']);
});

test('events carry views', () => {
  const { client, view: seen } = view();
  /** @type {any} */
  let got;
  seen.on('message', (/** @type {any} */ message) => {
    got = message;
  });
  client.emit('message', new Message(new Chat(client)));
  assert.equal(got.body, 'Hola');
  assert.throws(() => got.reply('x'));
});

test('a view has no way around itself', async () => {
  const { client, view: seen } = view();
  for (const name of ['pupPage', 'pupBrowser', 'constructor', '__proto__', 'options', '_events']) {
    assert.equal(seen[name], undefined, name);
  }
  const chat = await seen.getChatById('1@c.us');
  assert.equal(chat.client, undefined);
  assert.equal(Object.getPrototypeOf(chat), null);
  assert.throws(() => seen.emit('message', {}), /refused/);
  assert.throws(() => {
    seen.getState = () => 'x';
  }, /refused/);
  assert.equal(await client.getState(), 'CONNECTED');
});
