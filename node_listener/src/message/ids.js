// WhatsApp's ids as text: ids of chats and users ("wids") and of messages ("keys"), from any of the shapes that builds of the
// page give them. These functions run on both sides: Node imports them, and page/install.js sends their source text into the
// page, so each may use only its arguments and the other functions of this file.

/**
 * A message's identity on the wire. remote: the chat; id: chosen by the sender, unique in the chat; participant: who wrote it,
 * null outside groups.
 * @typedef {{fromMe: boolean, remote: string, id: string, participant: string | null}} MessageId
 */

/**
 * A chat's or user's id as `user@server`. Built from its parts; the serialized form is a last resort, because its property has
 * another name in builds since July 2026 (`$1` for `_serialized`, wwebjs#201830). A device part (`user:7@…`, `user.0:7@…`) is
 * left out, and the server `s.whatsapp.net` becomes `c.us`.
 * @param {unknown} wid text, or an object with `user` and `server`, or one that only has its serialized form
 * @returns {string | null} null for what is no id
 */
export function widText(wid) {
  if (wid === null || wid === undefined) return null;
  let text = '';
  if (typeof wid === 'object') {
    const parts = /** @type {Record<string, unknown>} */ (wid);
    if (typeof parts.server === 'string' && parts.user !== undefined && parts.user !== null) {
      text = `${parts.user}@${parts.server}`;
    } else {
      text = serialized(parts) ?? '';
    }
  } else if (typeof wid === 'string') {
    text = wid;
  }
  const at = text.lastIndexOf('@');
  if (at < 1 || at === text.length - 1) return null;
  const user = text.slice(0, at).replace(/(\.\d+)?:\d+$/, '');
  const server = text.slice(at + 1);
  return `${user}@${server === 's.whatsapp.net' ? 'c.us' : server}`;
}

/**
 * The serialized form of a wid or a key. Its property has had two names (`_serialized`, then `$1`) and may get another;
 * `toString` gives the same in every build.
 * @param {Record<string, unknown>} parts
 * @returns {string | null} null when it has none
 */
export function serialized(parts) {
  /** @type {unknown} */
  let text = parts._serialized;
  try {
    if (typeof text !== 'string') text = String(parts);
  } catch {
    // an object without a text of its own
  }
  if (typeof text !== 'string' || text.startsWith('[object')) text = parts.$1;
  return typeof text === 'string' ? text : null;
}

/**
 * Whether an id is a LID, which hides the phone number. The second server is that of devices which a business has with a
 * provider (WAWebWid).
 * @param {string} id
 * @returns {boolean}
 */
export function isLid(id) {
  return id.endsWith('@lid') || id.endsWith('@hosted.lid');
}

/**
 * The id of the person behind an id: the servers `hosted` and `hosted.lid` name the same users as `c.us` and `lid`.
 * @param {string} id
 * @returns {string}
 */
export function personId(id) {
  return id.replace(/@hosted$/, '@c.us').replace(/@hosted\.lid$/, '@lid');
}

/**
 * Whether this is an id of a business's device at a provider: its servers, or device 99 (WAWebWid.isHosted).
 * @param {unknown} wid
 * @returns {boolean}
 */
export function isHosted(wid) {
  if (/@hosted(\.lid)?$/.test(widText(wid) ?? '')) return true;
  if (typeof wid === 'string') return /:99@/.test(wid);
  return /** @type {{device?: unknown} | null | undefined} */ (wid)?.device === 99;
}

/**
 * Whether an id is that of a program such as Meta AI (WAWebWid.isBot, WAWebBotUtils). Some of their ids look like phone numbers.
 * @param {string | null} id
 * @returns {boolean}
 */
export function isBot(id) {
  return id !== null && /@bot$|^(1313555\d{4}|131655500\d\d)@c\.us$/.test(id);
}

/**
 * A message's identity from its key's parts. A key that only has its serialized form is parsed: `fromMe_remote_id`, followed by
 * `_in` or `_out` in a chat with oneself and by `_participant` in a group (WAWebMsgKey).
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
    text = serialized(parts);
  }
  if (typeof text !== 'string') return null;
  const [fromMe, chat, id, participantOrSelf, participantAfterSelf] = text.split('_');
  const remote = widText(chat);
  if (remote === null || id === undefined || id === '') return null;
  return {
    fromMe: fromMe === 'true',
    remote,
    id,
    participant: widText(participantAfterSelf) ?? widText(participantOrSelf),
  };
}
