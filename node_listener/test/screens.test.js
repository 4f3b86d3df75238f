import assert from 'node:assert/strict';
import { test } from 'node:test';
import { screenShown } from '../src/screens.js';

const MAIN = {
  state: 'CONNECTED',
  mode: 'MAIN',
  synced: true,
  chats: true,
  hadChats: true,
  signs: new Set(),
  text: '',
};
/** @param {Partial<Parameters<typeof screenShown>[0]>} changes */
const name = (changes) => screenShown({ ...MAIN, ...changes })?.name ?? null;
const gone = { chats: false, hadChats: true };
const loading = { chats: false, hadChats: false, synced: false, mode: 'SYNCING' };

test('the chats are no screen, whatever their words', () => {
  assert.equal(name({}), null);
  assert.equal(name({ text: 'You are temporarily banned' }), null);
  assert.equal(name({ signs: new Set(['temporary_ban']) }), null);
});

test('events, states, modes and words name a screen', () => {
  assert.equal(name({ state: 'SCREEN_LOCKED' }), 'locked');
  assert.equal(name({ ...gone, signs: new Set(['temporary_ban']) }), 'temporary_ban');
  assert.equal(name({ ...gone, signs: new Set(['logout']) }), 'logout');
  assert.equal(name({ ...gone, text: "You're temporarily banned from WhatsApp" }), 'temporary_ban');
  assert.equal(name({ ...loading, text: 'App lock is on. Enter your password' }), 'locked');
  assert.equal(name({ ...loading, mode: 'OFFLINE' }), 'offline');
  assert.equal(name({ ...loading, mode: 'TOS_BLOCK' }), 'blocked');
  assert.equal(name({ ...gone, text: 'WhatsApp is open on another computer or browser.' }), 'conflict');
});

test('a code to scan, and a page that loads, are none', () => {
  assert.equal(name({ ...loading, mode: 'QR', state: 'UNPAIRED' }), null);
  assert.equal(name({ ...loading, mode: null, state: 'UNPAIRED' }), null);
  assert.equal(name({ ...gone, mode: null, state: 'UNPAIRED_IDLE' }), null);
});

test('a build that does not tell its mode and has another list of chats is left alone', () => {
  assert.equal(name({ ...loading, mode: null }), null);
  assert.equal(name({ ...loading, mode: 'MAIN', synced: true }), null);
});

test('chats that were there and are gone are unknown after a while, a first sync only beyond its own limit', () => {
  const lost = screenShown({ ...MAIN, ...gone, text: 'Something new' });
  assert.deepEqual(lost, { name: 'unknown', after: 30_000 });
  const syncing = screenShown({ ...MAIN, ...loading });
  assert.equal(syncing?.name, 'unknown');
  assert.ok(syncing.after > 180_000);
});
