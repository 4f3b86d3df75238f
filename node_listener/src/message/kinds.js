// Which chats and messages go on the wire. Like ids.js this runs in Node and, as source text, in the page.

/**
 * The kind of a chat, by the server of its id. Chats with bots, WhatsApp's own accounts and notes to oneself count as direct:
 * they are on the wire, and the daemon ignores them.
 * @param {string | null} chat its id
 * @returns {'direct' | 'group' | 'dropped'} dropped: status, broadcast lists, channels, links to calls, and null
 */
export function chatKind(chat) {
  if (chat === null) return 'dropped';
  const server = chat.slice(chat.lastIndexOf('@') + 1);
  if (server === 'g.us') return 'group';
  const isDropped = server === 'broadcast' || server === 'newsletter' || server === 'call';
  return isDropped ? 'dropped' : 'direct';
}

/**
 * Whether messages of this chat go on the wire.
 * @param {string | null} chat its id
 * @param {boolean} groups whether groups are captured
 * @returns {boolean}
 */
export function isWantedChat(chat, groups) {
  const kind = chatKind(chat);
  return kind === 'direct' || (groups && kind === 'group');
}

/**
 * Whether this type is that of a system message, which nobody wrote. `call_log` is not one of them: a call is something that a
 * customer did. A type that is no text counts as one; an unknown one does not, so that it is captured.
 * @param {unknown} type the page's message type
 * @returns {boolean}
 */
export function isSystemType(type) {
  switch (type) {
    case 'e2e_notification':
    case 'notification':
    case 'notification_template':
    case 'group_notification':
    case 'broadcast_notification':
    case 'newsletter_notification':
    case 'gp2':
    case 'protocol':
    case 'ciphertext_placeholder':
    case 'reaction':
    case 'reaction_enc':
    case 'poll_update':
    case 'pin_message':
    case 'pinned_message':
    case 'keep_in_chat':
    case 'debug':
    case 'debug_placeholder':
    case 'loading_media':
    case 'biz_content_placeholder':
    case 'message_history_notice':
    case 'group-history':
    case 'history_bundle':
    case 'status_notification':
    case 'guest_upsell_system_msg':
    case 'message_edit_encrypted':
    case 'event_edit_encrypted':
    case 'poll_edit_encrypted':
    case 'poll_add_option_encrypted':
    case 'poll_add_option_decrypted':
      return true;
    default:
      return typeof type !== 'string' || type === '';
  }
}

/**
 * Whether this is the system message that somebody has a new phone number: the only kind of them that goes on the wire.
 * @param {{type?: unknown, subtype?: unknown}} message
 * @returns {boolean}
 */
export function isNumberChange(message) {
  return message.type === 'notification_template' && message.subtype === 'change_number';
}

/**
 * Whether a message goes on the wire.
 * @param {{remote: string} | null} id null: it has none that can be read
 * @param {unknown} type the page's message type
 * @param {boolean} groups whether groups are captured
 * @returns {boolean}
 */
export function isWanted(id, type, groups) {
  return id !== null && isWantedChat(id.remote, groups) && !isSystemType(type);
}
