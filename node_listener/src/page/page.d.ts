// What our page scripts see: WhatsApp Web's modules, as far as compatibility.js lists them or the scripts read them, and
// our own agent. WhatsApp Web has no types and changes every four to eight weeks, so every part may be missing in a build.

import type { MessageId } from '../message/ids.js';
import type { contactFacts, messageRecord, plain } from './records.js';

/** A chat's or user's id: text, or an object whose form depends on the build (message/ids.js reads it). */
export type Wid = unknown;

export interface Emitter {
  on(event: string, listener: (model: any) => void): void;
}

export interface MessageModel {
  id: unknown;
  t?: number;
  type?: unknown;
  isNewMsg?: boolean;
  serialize(): Record<string, unknown>;
  [field: string]: unknown;
}

export interface ChatModel {
  id: Wid;
  t?: number;
  msgs: { getModelsArray(): MessageModel[] };
}

export interface ContactModel {
  name?: string;
  shortName?: string;
  isMyContact?: boolean;
  isAddressBookContact?: number;
  isBusiness?: boolean;
  isEnterprise?: boolean;
}

export interface Socket extends Emitter {
  state?: string;
  hasSynced?: boolean;
}

export interface Modules {
  WAWebSocketModel: { Socket: Socket };
  WAWebConnModel: { Conn: Emitter & { wid?: Wid; pushname?: string; platform?: string } };
  WAWebCmd: { Cmd: Emitter & { refreshQR(): void } };
  WAWebUserPrefsMeUser: { getMaybeMePnUser(): Wid; getMaybeMeLidUser(): Wid };
  WAWebCollections: {
    Msg: Emitter;
    Chat: Emitter & { getModelsArray(): ChatModel[] };
    Contact: { get(wid: Wid): ContactModel | undefined };
  };
  WAWebChatLoadMessages: { loadEarlierMsgs?(chat: { chat: ChatModel }): Promise<MessageModel[] | undefined> };
  WAWebApiContact: { getPhoneNumber(lid: Wid): Wid; getCurrentLid(phone: Wid): Wid };
  WAWebWidFactory: { createWid(text: string): Wid };
  WAWebFrontendContactGetters: { getIsMyContact(contact: ContactModel): boolean };
}

/** A binding: what puppeteer's exposeFunction makes. It keeps its pending calls on the function itself. */
export interface Binding {
  (value: any): Promise<unknown>;
  leadmasterd?: boolean;
  [kept: string]: unknown;
}

export interface Page {
  require: {
    <Name extends keyof Modules>(module: Name): Modules[Name];
    (module: string): any;
  };
  Debug: { VERSION: unknown };
  WWebJS?: Record<string, (...args: any[]) => unknown>;
  top: unknown;
  onAddMessageEvent: Binding;
  /** our agent, under the configured namespace; bindings, under their names */
  [name: string]: any;
}

/** What we keep in the page: guard.js makes it, shims.js and agent.js add to it. */
export interface Agent {
  /** names this document: another one has another agent */
  document: string;
  injected?: boolean;
  attached: boolean;
  watchesDialogs?: boolean;

  guardAll(): void;
  blockPath(exports: unknown, path: string, module: string): boolean;
  isBlocked(value: unknown): boolean;
  /** a module as the page has it, without our shims */
  requireOriginal(module: string): any;
  /** a module with what it lacks filled in; set by shims.js */
  shim: ((module: string, original: () => any) => any) | null;

  messageRecord: typeof messageRecord;
  contactFacts: typeof contactFacts;
  plain: typeof plain;
  isWanted(id: MessageId | null, type: unknown, groups: boolean): boolean;
  isWantedChat(chat: string | null, groups: boolean): boolean;
  widText(wid: Wid): string | null;
  messageId(key: unknown): MessageId | null;
  wrapBinding(name: string, wrap: (original: Binding) => (value: any) => Promise<unknown>): void;

  beat?(): void;
  timer?: unknown;
  /** messages of the chats that a sweep is reading */
  reading?: Map<string, ChatReading>;
}

export interface ChatReading {
  messages: MessageModel[];
  /** this build cannot load what is older than its memory */
  partial: boolean;
  /** time of the newest message in the chat */
  through: number | null;
}

export interface Account {
  wid: string | null;
  lid: string | null;
  push_name: string | null;
  platform: string | null;
}
