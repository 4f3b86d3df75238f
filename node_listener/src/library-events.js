// Subscribes to the library's events through the read-only view, and gives each listener only those arguments that we use.

/**
 * @typedef {import('./message/raw.js').Raw} Raw
 *
 * @typedef {object} LibraryListener
 * @property {(qr: string) => void} qr
 * @property {(code: string) => void} code a pairing code
 * @property {() => void} authenticated
 * @property {() => void} ready
 * @property {(reason: string) => void} disconnected
 * @property {(raw: Raw) => void} added own messages and inbound ones, and our heartbeat
 * @property {(raw: Raw) => void} ciphertext a message that could not be decrypted yet
 * @property {(raw: Raw, newText: unknown, oldText: unknown) => void} edited
 * @property {(raw: Raw, scope: 'everyone' | 'me') => void} revoked a message was deleted for everyone, or only in this account
 */

/**
 * @param {any} view of the library's client
 * @param {LibraryListener} listener
 */
export function subscribe(view, listener) {
  /** @typedef {{rawData: Raw}} Message */
  view.on('qr', listener.qr);
  view.on('code', listener.code);
  view.on('authenticated', () => listener.authenticated());
  view.on('ready', () => listener.ready());
  view.on('disconnected', listener.disconnected);
  view.on('message_create', (/** @type {Message} */ message) => listener.added(message.rawData));
  view.on('message_ciphertext', (/** @type {Message} */ message) => listener.ciphertext(message.rawData));
  view.on(
    'message_edit',
    (/** @type {Message} */ message, /** @type {unknown} */ newText, /** @type {unknown} */ oldText) =>
      listener.edited(message.rawData, newText, oldText),
  );
  view.on('message_revoke_everyone', (/** @type {Message} */ message) =>
    listener.revoked(message.rawData, 'everyone'),
  );
  view.on('message_revoke_me', (/** @type {Message} */ message) => listener.revoked(message.rawData, 'me'));
}
