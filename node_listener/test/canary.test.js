// The canary reads a saved copy of the page's modules: what it finds there, what it calls gone, and what it does not know.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { canary as command } from '../canary/command.js';
import { createReader, readModule } from '../canary/shapes.js';
import { makeFolder, removeFolder } from './support/browser.js';
import { moduleText, writeCopy } from './support/page-copy.js';

const MAIN = new URL('../canary/main.js', import.meta.url).pathname;
/** @type {string[]} */
const folders = [];
after(() => folders.forEach(removeFolder));

function newFolder() {
  const folder = makeFolder('canary');
  folders.push(folder);
  return folder;
}

/** The command in this process: a process of its own takes a second to read the compiler. @param {string[]} args */
function canary(...args) {
  const said = { stdout: '', stderr: '' };
  const to = (/** @type {'stdout' | 'stderr'} */ name) => ({
    write: (/** @type {string} */ text) => {
      said[name] += text;
    },
  });
  return { status: command(args, to('stdout'), to('stderr')), ...said };
}

const EMITTER = moduleText(
  'Emitter',
  'var e=(function(){function t(){}var n=t.prototype;return((n.on=function(t){return t}),t)})();l.default=e;',
);
const SOCKET = moduleText(
  'Socket',
  `var e=(function(t){function n(){var e;return((e=t.call(this)||this),(e.stream="OFF"),(e.calls=new Map()),e)}
   babelHelpers.inheritsLoose(n,t);var a=n.prototype;
   return((a.leave=function(){this.reason="left";var i={};i.other=1}),n)})(r("Emitter")),s=new e();
   e.made=function(){};l.Socket=s;l.Made=e;`,
);

/** @type {[string, Record<string, string>, string, 'there' | 'gone' | 'unread'][]} what, modules, path in M, answer */
const SHAPES = [
  ['an export', { M: moduleText('M', 'function e(){}l.send=e;') }, 'send', 'there'],
  ['one that is not there', { M: moduleText('M', 'function e(){}l.send=e;') }, 'read', 'gone'],
  ['exports in one expression', { M: moduleText('M', 'function e(){}((l.a=e),(l.b=e));') }, 'b', 'there'],
  [
    'a name that is an export only by another letter',
    { M: moduleText('M', 'function e(t){var l={};l.send=t}l.other=e;') },
    'send',
    'gone',
  ],
  ['a default is the module itself', { M: moduleText('M', 'var e={on:1};l.default=e;') }, 'on', 'there'],
  ['one more parameter', { M: '__d("M",[],function(t,n,r,o,a,i,l,s){l.send=1},226);' }, 'send', 'there'],
  ['one parameter less', { M: '__d("M",[],function(t,n,r,o,a,i){i.send=1},66);' }, 'send', 'there'],
  ['module.exports', { M: '__d("M",[],function(t,n,r,o,a,i){a.exports={send:1}},34);' }, 'send', 'there'],
  ['a member of an object', { M: moduleText('M', 'l.api={get:function(){}};') }, 'api.get', 'there'],
  ['a member that an object lacks', { M: moduleText('M', 'l.api={get:function(){}};') }, 'api.set', 'gone'],
  [
    'a member set on an object afterwards',
    { M: moduleText('M', 'var e={};e.get=1;l.api=e;') },
    'api.get',
    'there',
  ],
  [
    'a table',
    { M: moduleText('M', 'var e,s=(e=n("$InternalEnum"))({ON:1}),u=e.Mirrored(["OFF"]);l.A=s;l.B=u;') },
    'B.OFF',
    'there',
  ],
  ['a copied object', { M: moduleText('M', 'l.a=babelHelpers.extends({},{b:1},{c:2});') }, 'a.c', 'there'],
  ['what it does not copy', { M: moduleText('M', 'l.a=babelHelpers.extends({},{b:1});') }, 'a.c', 'gone'],
  [
    'a method of a class',
    { M: moduleText('M', 'l.Socket=o("Socket").Socket;'), Socket: SOCKET, Emitter: EMITTER },
    'Socket.leave',
    'there',
  ],
  [
    'an inherited method',
    { M: moduleText('M', 'l.Socket=o("Socket").Socket;'), Socket: SOCKET, Emitter: EMITTER },
    'Socket.on',
    'there',
  ],
  [
    'a field of a class',
    { M: SOCKET.replace('"Socket"', '"M"'), Emitter: EMITTER },
    'Socket.stream',
    'there',
  ],
  [
    'a field set by a method',
    { M: SOCKET.replace('"Socket"', '"M"'), Emitter: EMITTER },
    'Socket.reason',
    'there',
  ],
  ['a static method', { M: SOCKET.replace('"Socket"', '"M"'), Emitter: EMITTER }, 'Made.made', 'there'],
  [
    "a field of another object in a class's method",
    { M: SOCKET.replace('"Socket"', '"M"'), Emitter: EMITTER },
    'Socket.other',
    'gone',
  ],
  [
    'a class whose parent is not in the copy',
    { M: SOCKET.replace('"Socket"', '"M"') },
    'Socket.on',
    'unread',
  ],
  [
    'a class of today',
    {
      M: moduleText('M', 'class A extends r("Emitter"){x=1;get y(){return 1}z(){}}l.a=new A();'),
      Emitter: EMITTER,
    },
    'a.y',
    'there',
  ],
  ['what a function makes', { M: moduleText('M', 'l.a=t.make();') }, 'a.b', 'unread'],
  ['what a function makes of an object', { M: moduleText('M', 'l.a=t.proxy({b:1});') }, 'a.b', 'there'],
  ['exports that a function fills in', { M: moduleText('M', 't.fill(l);') }, 'a', 'unread'],
  ['any of a name', { M: moduleText('M', 'l.sendIt=1;') }, 'send*', 'there'],
  ['none of a name', { M: moduleText('M', 'l.resend=1;') }, 'send*', 'gone'],
  ['a circle', { M: moduleText('M', 'var e=s,s=e;l.a=e;') }, 'a.b', 'unread'],
];

for (const [what, modules, path, answer] of SHAPES) {
  test(`read: ${what} is ${answer}`, () => {
    const read = Object.fromEntries(Object.entries(modules).map(([name, text]) => [name, readModule(text)]));
    const reader = createReader((name) => read[name] ?? null);
    assert.equal(reader.find(/** @type {any} */ (read.M), path).answer, answer);
  });
}

test('a copy that has everything is well', () => {
  const folder = newFolder();
  writeCopy(folder);
  const { status, stdout } = canary(folder);
  assert.equal(status, 0, stdout);
  assert.doesNotMatch(stdout, /GONE|not found/);
  for (const [, there, all] of stdout.matchAll(/: (\d+) of (\d+) are (?:there|known)/g))
    assert.equal(there, all);
  const program = spawnSync(process.execPath, [MAIN, '--json', folder], { encoding: 'utf8' });
  assert.equal(program.status, 0, program.stderr);
  const answer = JSON.parse(program.stdout);
  assert.deepEqual([answer.ok, answer.modules], [true, readdirSync(folder).length]);
});

test('what moved is told with what it costs and where its name is now', () => {
  const folder = newFolder();
  const moved = moduleText('WAWebFrontendContactGetters', 'l.somethingElse=1;');
  writeCopy(folder, { WAWebFrontendContactGetters: moved, WAWebPinMsgConstants: null });
  writeFileSync(
    join(folder, 'WAWebNewHome.js'),
    moduleText('WAWebNewHome', 'l.prefs={getIsMyContact:function(){}};'),
  );
  const { status, stdout } = canary(folder);
  assert.equal(status, 1);
  assert.match(
    stdout,
    /GONE WAWebFrontendContactGetters\.getIsMyContact; costs contacts; of that name: WAWebNewHome\.prefs\.getIsMyContact/,
  );
  assert.match(stdout, /GONE WAWebPinMsgConstants$/m);
  assert.deepEqual(
    JSON.parse(canary('--json', folder).stdout).relies_on.filter(
      (/** @type {any} */ row) => row.answer !== 'there',
    ),
    [
      {
        module: 'WAWebFrontendContactGetters',
        member: 'getIsMyContact',
        answer: 'gone',
        costs: 'contacts',
        seen: ['WAWebNewHome.prefs.getIsMyContact'],
      },
    ],
  );
});

test('one of several ways is enough, and an event or a Map that is gone is told', () => {
  const folder = newFolder();
  writeCopy(folder, {
    WAWebLaunchSocketUtils: moduleText('WAWebLaunchSocketUtils', 'l.start=1;'),
    WAWebDBMessageFindLocal: null,
  });
  assert.equal(canary(folder).status, 0);
  writeCopy(folder, {
    WAWebCmd: moduleText('WAWebCmd', 'l.Cmd={on:1,isOfflineDeliveryEnd:1};'),
    WAWebCallCollection: moduleText('WAWebCallCollection', 'l.on=1;'),
  });
  const { status, stdout } = canary(folder);
  assert.equal(status, 1);
  assert.match(stdout, /GONE WAWebCmd\.Cmd\.on\('logout_from_bridge'\); costs account/);
  assert.match(stdout, /GONE WAWebCallCollection\.on; costs calls/);
});

test('a type of messages that the daemon does not know is told, and costs nothing', () => {
  const folder = newFolder();
  const types = (/** @type {string} */ list) => ({ WAWebMsgType: moduleText('WAWebMsgType', list) });
  writeCopy(folder, types('var e={CHAT:"chat",PTV:"ptv",FAX:"fax"};l.MSG_TYPE=e;l.other={X:"x"};'));
  const { status, stdout } = canary(folder);
  assert.equal(status, 0);
  assert.match(stdout, /^Types of messages: 2 of 3 are known\n {2}NEW WAWebMsgType\.fax$/m);
  writeCopy(folder, types('l.MSG_TYPE=t.make();'));
  assert.match(canary(folder).stdout, /not found by reading: WAWebMsgType\.MSG_TYPE/);
  const without = newFolder();
  writeCopy(without, { WAWebMsgType: null });
  assert.match(canary(without).stdout, /GONE WAWebMsgType\.MSG_TYPE/);
});

test('a name that everybody uses is no hint, and one in the same module is', () => {
  const folder = newFolder();
  writeCopy(folder, { WAWebFrontendContactGetters: moduleText('WAWebFrontendContactGetters', 'l.other=1;') });
  for (let n = 0; n < 40; n += 1)
    writeFileSync(join(folder, `WAWebOther${n}.js`), moduleText(`WAWebOther${n}`, 'l.getIsMyContact=1;'));
  assert.match(canary(folder).stdout, /GONE WAWebFrontendContactGetters\.getIsMyContact; costs contacts$/m);
  const inner = moduleText('WAWebFrontendContactGetters', 'l.Getters={getIsMyContact:function(){}};');
  writeCopy(folder, { WAWebFrontendContactGetters: inner });
  for (let n = 0; n < 40; n += 1) rmSync(join(folder, `WAWebOther${n}.js`));
  assert.match(canary(folder).stdout, /of that name: WAWebFrontendContactGetters\.Getters\.getIsMyContact$/m);
});

test('a shape that is not understood is not called gone, and does not fail', () => {
  const folder = newFolder();
  writeCopy(folder, { WAWebStreamModel: moduleText('WAWebStreamModel', 'l.Stream=t.make();') });
  const { status, stdout } = canary(folder);
  assert.match(stdout, /not found by reading: WAWebStreamModel\.Stream\.markAvailable/);
  assert.equal(status, 0);
});

test('a folder that is no copy is refused in one sentence that says what to do', () => {
  const [empty, other, half] = [newFolder(), newFolder(), newFolder()];
  const file = join(empty, 'page.txt');
  writeFileSync(file, 'x');
  mkdirSync(join(other, 'inner'));
  writeFileSync(join(other, 'index.js'), 'export {};');
  writeCopy(half);
  for (const name of readdirSync(half).slice(10)) rmSync(join(half, name));
  /** @type {[string[], RegExp][]} */
  const wrong = [
    [['/no/such/folder'], /cannot read \/no\/such\/folder: there is no such folder; give the folder/],
    [[file], /cannot read .*page\.txt: it is no folder; give the folder/],
    [[empty], /it holds no \.js file; give the folder/],
    [[other], /none of its 1 files is a module of WhatsApp Web/],
    [[half], /only 10 of \d+ modules that we need are there, so the copy is not whole; make it again/],
    [[], /give one folder with a copy of the modules: make canary ARGS=FOLDER/],
    [[empty, other], /give one folder/],
    [['--jso', empty], /--jso/],
  ];
  for (const [args, sentence] of wrong) {
    const { status, stdout, stderr } = canary(...args);
    assert.equal(status, 64, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, sentence);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
  }
});

test('a file that is no module is as good as none', () => {
  const folder = newFolder();
  writeCopy(folder, { WAWebSocketModel: 'this is <not> javascript' });
  const { status, stdout } = canary(folder);
  assert.equal(status, 1);
  assert.match(stdout, /GONE WAWebSocketModel\.Socket\.on; costs live/);
});
