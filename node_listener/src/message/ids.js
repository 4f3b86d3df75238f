// WhatsApp's ids as text: chats and users ("wids") and message keys, in any of the shapes that builds of the page give.
// These functions run on both sides: Node imports them, and page/install.js sends their source text into the page, so
// each may use only its arguments and the other functions of this file.

/**
 * A message's identity on the wire.
 * @typedef {{fromMe: boolean, remote: string, id: string, participant: string | null}} MessageId
 */

/**
 * A chat's or user's id as `user@server`, or null. Built from its parts; the serialized form is a last resort, because
 * builds since July 2026 call `_serialized` `$1` (wwebjs#201830). A device part (`user:7@…`, `user.0:7@…`) is left out.
 * @param {unknown} wid text, or an object with `user` and `server`, or one that only has its serialized form
 * @returns {string | null}
 */
export function widText(wid) {
  if (wid === null || wid === undefined) return null;
  let text = '';
  if (typeof wid === 'object') {
    const parts = /** @type {Record<string, unknown>} */ (wid);
    if (typeof parts.server === 'string' && parts.user !== undefined && parts.user !== null) {
      text = `${parts.user}@${parts.server}`;
    } else {
      const whole = parts._serialized ?? parts.$1;
      text = typeof whole === 'string' ? whole : '';
    }
  } else if (typeof wid === 'string') {
    text = wid;
  }
  const at = text.lastIndexOf('@');
  if (at < 1 || at === text.length - 1) return null;
  const server = text.slice(at + 1) === 's.whatsapp.net' ? 'c.us' : text.slice(at + 1);
  return `${text.slice(0, at).replace(/(\.\d+)?:\d+$/, '')}@${server}`;
}

/**
 * A message's identity from its key's parts. A key that only has its serialized form
 * (`fromMe_remote_id` or `fromMe_remote_id_participant`) is parsed.
 * @param {unknown} key
 * @returns {MessageId | null} null when it has no chat or no id
 */
export function messageId(key) {
  let text = key;
  if (key !== null && typeof key === 'object') {
    const parts = /** @type {Record<string, unknown>} */ (key);
    const remote = widText(parts.remote);
    if (remote !== null && typeof parts.id === 'string' && parts.id !== '') {
      return { fromMe: Boolean(parts.fromMe), remote, id: parts.id, participant: widText(parts.participant) };
    }
    text = parts._serialized ?? parts.$1;
  }
  if (typeof text !== 'string') return null;
  const pieces = text.split('_');
  const remote = widText(pieces[1]);
  if (pieces.length < 3 || remote === null || pieces[2] === '') return null;
  return {
    fromMe: pieces[0] === 'true',
    remote,
    id: pieces[2],
    participant: widText(pieces[3]),
  };
}
