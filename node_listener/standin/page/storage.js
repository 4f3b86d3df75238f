// The profile's own store. It survives the browser's death: a SIGKILL right after a committed transaction loses nothing
// of IndexedDB, while localStorage loses its last five seconds (whatsapp-web.js 1.34.7, Chromium 156).

import { config } from './config.js';

const NAME = 'model-storage';
const STORES = ['messages', 'chats', 'contacts', 'reactions', 'votes', 'session'];
let database;

/** A request of IndexedDB as a promise of its result. */
export function request(idbRequest) {
  return new Promise((resolve, reject) => {
    idbRequest.onsuccess = () => resolve(idbRequest.result);
    idbRequest.onerror = () => reject(idbRequest.error);
  });
}

export async function openStorage() {
  const opening = indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => {
    const db = opening.result;
    const messages = db.createObjectStore('messages', { keyPath: 'key' });
    messages.createIndex('by_time', ['chat', 't', 'row']);
    messages.createIndex('by_arrival', ['chat', 'row']);
    messages.createIndex('by_stanza', 'stanza');
    messages.createIndex('by_replaced', 'replaced'); // the key that a revoked message had
    db.createObjectStore('chats', { keyPath: 'id' });
    db.createObjectStore('contacts', { keyPath: 'phone' });
    db.createObjectStore('reactions', { keyPath: ['parent', 'sender'] });
    db.createObjectStore('votes', { keyPath: ['parent', 'sender'] });
    db.createObjectStore('session', { keyPath: 'name' });
  };
  database = await request(opening);
}

/** Runs work({messages, chats, …}) in one transaction. Resolves once that is committed. */
export async function write(work) {
  const transaction = database.transaction(STORES, 'readwrite');
  const stores = Object.fromEntries(STORES.map((name) => [name, transaction.objectStore(name)]));
  const committed = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  const result = await work(stores);
  transaction.commit();
  await committed;
  return result;
}

export function store(name) {
  return database.transaction(name, 'readonly').objectStore(name);
}

export const loadAll = (name) => request(store(name).getAll());

/** An undefined key throws the DataError that the real page's IndexedDB layer throws (wwebjs#201830). */
export const loadMessage = async (key) => request(store('messages').get(key));

export async function loadMessages(keys) {
  const messages = store('messages');
  return (await Promise.all(keys.map((key) => request(messages.get(key))))).filter(Boolean);
}

/** The order on disk: that of arrival (WAWebDBMessageUtils, `internalId`), or the old way, by time. */
const ORDER =
  config.ways.disk_order === 'arrival'
    ? { index: 'by_arrival', place: ({ row }) => [row] }
    : { index: 'by_time', place: ({ t, row }) => [t, row] };
export const placeOnDisk = ORDER.place;

/** At most `count` messages of a chat before a place ({t, row}; null: from the newest on), newest first. */
export function loadBefore(chat, place, count) {
  const end = place ? [chat, ...ORDER.place(place)] : [chat, []];
  return scan(IDBKeyRange.bound([chat], end, false, true), 'prev', count);
}

/** At most `count` messages of a chat after a place, oldest first. */
export function loadAfter(chat, place, count) {
  return scan(IDBKeyRange.bound([chat, ...ORDER.place(place)], [chat, []], true, true), 'next', count);
}

/** The first `count` messages of a range, from one end of it. */
function scan(range, direction, count) {
  const opening = store('messages').index(ORDER.index).openCursor(range, direction);
  const found = [];
  return new Promise((resolve, reject) => {
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const cursor = opening.result;
      if (!cursor || found.length === count) return resolve(found);
      found.push(cursor.value);
      cursor.continue();
    };
  });
}

// The session is in both stores, as WhatsApp's is. IndexedDB decides, since a killed browser may have lost the other.
export async function loadSession() {
  const session = await request(store('session').get('session'));
  if (session) localStorage.setItem('standin-session', JSON.stringify(session.value));
  else localStorage.removeItem('standin-session');
  return session?.value ?? null;
}

export async function saveSession(value) {
  localStorage.setItem('standin-session', JSON.stringify(value));
  await write(({ session }) => request(session.put({ name: 'session', value })));
}

/** A logout leaves nothing: what was not read before is only on the phone. */
export async function wipe() {
  localStorage.clear();
  await write((stores) => Promise.all(Object.values(stores).map((each) => request(each.clear()))));
}

/** What the real page keeps as user preferences in IndexedDB (WAWebUserPrefsIndexedDBStorage). */
const preferences = new Map();

export async function loadPreferences() {
  for (const { name, value } of await loadAll('session'))
    if (name !== 'session') preferences.set(name, value);
}

export const userPrefs = {
  get: (name) => preferences.get(name) ?? null,
  async set(name, value) {
    preferences.set(name, value);
    await write(({ session }) => request(session.put({ name, value })));
  },
  async remove(name) {
    preferences.delete(name);
    await write(({ session }) => request(session.delete(name)));
  },
};
