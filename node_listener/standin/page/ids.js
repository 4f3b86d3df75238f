// Chat and user ids (Wid) and message keys (MsgKey), with the own properties that cross to Node as JSON.
//
// In 2026-07 WhatsApp Web renamed the property with a message key's text from `_serialized` to `$1`; the rest of the
// key, and the Wids, stayed the same (wwebjs#201848, OpenWA#757). Both shapes are here, and that of a build that renames
// the property once more; never two at once.

import { config } from './config.js';

const PROPERTIES = { serialized: '_serialized', dollar: '$1', unknown: '$9' };
const keyProperty = PROPERTIES[config.keyShape];
const widProperty = PROPERTIES[config.widShape];

export class Wid {
  constructor(user, server) {
    this.server = server;
    this.user = user;
    this[widProperty] = `${user}@${server}`;
  }
  toString() {
    return this[widProperty];
  }
  toJid() {
    return this.toString().replace('@c.us', '@s.whatsapp.net');
  }
  equals(other) {
    return other?.toString() === this.toString();
  }
  isLid() {
    return this.server === 'lid';
  }
  /** A business account of which Meta hosts a device (WAWebWid). */
  isHostedLid() {
    return this.server === 'hosted.lid';
  }
  isUser() {
    return ['c.us', 'lid', 'hosted', 'hosted.lid'].includes(this.server);
  }
  isGroup() {
    return this.server === 'g.us';
  }
  isNewsletter() {
    return this.server === 'newsletter';
  }
  isBroadcast() {
    return this.server === 'broadcast';
  }
  isStatus() {
    return this.toString() === 'status@broadcast';
  }
}

/** From text (bare digits are a phone), a Wid, or a Wid that went through JSON. */
export function createWid(like) {
  if (like instanceof Wid) return like;
  const text = typeof like === 'string' ? like : like && `${like.user}@${like.server}`;
  const parts = /^([^@]+)@([\w.]+)$/.exec(/^\d+$/.test(text) ? `${text}@c.us` : (text ?? ''));
  if (!parts) throw new Error(`wid error: invalid wid ${JSON.stringify(like)}`);
  return new Wid(parts[1], parts[2].replace('s.whatsapp.net', 'c.us'));
}

export const maybeWid = (text) => (text ? createWid(text) : undefined);

export class MsgKey {
  constructor({ fromMe, remote, id, participant, from, to, selfDir }) {
    this.fromMe = fromMe ?? selfDir === 'out';
    this.remote = createWid(remote ?? (this.fromMe ? to : from));
    this.id = id;
    if (participant) this.participant = createWid(participant);
    this[keyProperty] = keyText(this);
  }
  toString() {
    return this[keyProperty];
  }
  static async newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(9));
    return `3EB0${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`.toUpperCase();
  }
  static fromString(text) {
    const [fromMe, remote, id, participant] = text.split('_');
    return new MsgKey({ fromMe: fromMe === 'true', remote, id, participant });
  }
}

/** The text of a key from its parts. The page's own store is keyed by it. */
export function keyText({ fromMe, remote, id, participant }) {
  return [fromMe, remote, id, participant].filter((part) => part !== undefined && part !== null).join('_');
}
