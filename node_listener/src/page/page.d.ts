// What our page scripts see: WhatsApp Web's modules, as far as compatibility.js lists them or the scripts read them, and
// our own agent. WhatsApp Web has no types and changes every four to eight weeks, so every part may be missing in a build.

import type { MessageId } from '../message/ids.js';
import type { contactFacts, messageRecord, plain } from './records.js';
import type { Limits, listChats, Place } from './sweep.js';

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
  /** the LID of the other party */
  accountLid?: Wid;
  /** restored from disk, and nothing of it in memory yet */
  pendingInitialLoading?: boolean;
  msgs: { getModelsArray(): MessageModel[]; msgLoadState?: { noEarlierMsgs?: boolean } };
}

export interface ContactModel {
  name?: string;
  shortName?: string;
  pushname?: string;
  /** the name of a business, as WhatsApp shows it */
  verifiedName?: string;
  isMyContact?: boolean;
  isAddressBookContact?: number;
  isBusiness?: boolean;
  isEnterprise?: boolean;
}

export interface Socket extends Emitter {
  state?: string;
  /** the state of the server's stream, without which the socket is of no use; not in every build */
  stream?: string;
  hasSynced?: boolean;
}

/** Reads the disk; see reading.js. */
type FindMessages = (want: {
  anchor: unknown;
  count: number;
  direction: 'before';
}) => Promise<{ status: number; messages: MessageModel[] }>;

export interface Modules {
  WAWebSocketModel: { Socket: Socket };
  WAWebConnModel: { Conn: Emitter & { wid?: Wid; pushname?: string; platform?: string } };
  WAWebCmd: { Cmd: Emitter & { refreshQR(): void; isOfflineDeliveryEnd?: boolean } };
  WAWebLaunchSocketUtils: { refreshQR(): void };
  WAWebBackendEventBus: { BackendEventBus: { triggerRefreshQR(): void } };
  WAWebUserPrefsMeUser: { getMaybeMePnUser(): Wid; getMaybeMeLidUser(): Wid };
  WAWebCollections: {
    Msg: Emitter & { get(key: unknown): MessageModel | undefined };
    Chat: Emitter & { getModelsArray(): ChatModel[]; get(wid: Wid): ChatModel | undefined };
    Contact: { get(wid: Wid): ContactModel | undefined };
  };
  WAWebChatLoadMessages: { loadEarlierMsgs?(chat: { chat: ChatModel }): Promise<MessageModel[] | undefined> };
  WAWebDBMessageFindLocal: { msgFindByDirection?: FindMessages; msgFindBefore?: FindMessages };
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

/** What our page scripts tell Node; `kind` says what, and listener.js takes it from there. */
export type Report = { kind: string; [field: string]: unknown };

export type PasskeyStep = 'asked' | 'working' | 'code' | 'done' | 'failed';

export interface Passkey {
  /** `check`: of an account that is linked already */
  where: 'linking' | 'check';
  step: PasskeyStep;
  /** to be compared with the one on the phone */
  code: string | null;
  /** whether an event of the page showed the step, or a look at the page found it */
  by: 'event' | 'level';
}

/** What watch-session.js has heard in this document. */
export interface Session {
  /** what events have said: `temporary_ban`, `logout`, `disk_full` */
  signs: Set<string>;
  /** the last event of a passkey step while linking; at: milliseconds; seen: its screen was there at some time */
  passkey: { step: PasskeyStep; code: string | null; at: number; seen: boolean } | null;
}

/** What we keep in the page: guard.js makes it, the other page scripts add to it. */
export interface Agent {
  /** names this document: another one has another agent */
  document: string;
  /** the library has injected into this document */
  injected?: boolean;
  /** the library's listeners are attached, and ours with them */
  attached: boolean;
  watchesDialogs?: boolean;
  /** set by watch-session.js */
  session?: Session;
  /** subscribes to modules that have been loaded meanwhile; set by watch-session.js */
  listen?(): void;
  /** looks at the screen now; set by watch-screens.js */
  look?(): void;

  /** sends a report to Node; never throws */
  report(report: Report): void;
  /** reports an exception, the same one once a second; set by listeners.js */
  failed(where: string, error: unknown): void;
  /** wraps a listener, so that what it throws is reported and does not reach the page; set by listeners.js */
  safely<Listener extends (...args: any[]) => unknown>(where: string, listener: Listener): Listener;
  /** counts the attempts to attach; listeners of an earlier one are ignored */
  round?: number;
  /** an attempt to attach runs: listeners that are subscribed now belong to it */
  attaching?: boolean;

  /** modules that load later are guarded by a timer */
  guarding?: boolean;
  /** guards the modules that are loaded by now */
  guardAll(): void;
  /** blocks the functions at a path within exports; false where they cannot be replaced */
  blockPath(exports: unknown, path: string, module: string): boolean;
  /** whether a function is one of our blockers */
  isBlocked(value: unknown): boolean;
  /** a module as the page has it, without our shims */
  requireOriginal(module: string): any;
  /** a module with what it lacks filled in; set by shims.js */
  shim: ((module: string, load: () => any) => any) | null;

  messageRecord: typeof messageRecord;
  contactFacts: typeof contactFacts;
  plain: typeof plain;
  isWanted(id: MessageId | null, type: unknown, groups: boolean): boolean;
  isWantedChat(chat: string | null, groups: boolean): boolean;
  widText(wid: Wid): string | null;
  messageId(key: unknown): MessageId | null;
  wrapBinding(name: string, wrap: (original: Binding) => (value: any) => Promise<unknown>): void;

  /** sends a heartbeat now */
  beat?(): void;
  /** sends heartbeats */
  timer?: unknown;
  /** set before the first sweep of a page load */
  sweeping?: Sweeping;
}

/** What a sweep asks the page for, and what it keeps there between two evaluations. The functions are in sweep.js. */
export interface Sweeping {
  /** milliseconds for which waiting messages have been delivered; null when none are */
  delivering(): number | null;
  chats(): ReturnType<typeof listChats>;
  /** JSON of a list of pieces */
  read(places: Place[], limits: Limits): Promise<string>;
  /** since: seconds */
  votes(since: number): Promise<Record<string, any>[]>;
  /** the chats as they were listed last, by id */
  listed: Map<string, ChatModel>;
  /** the chats that are being read */
  reading: Map<string, ChatReading>;
  paged: Paged;
  /** milliseconds since the document began; null: nothing is being delivered */
  deliveringSince: number | null;
}

/** What paging back has shown since the page was loaded: that it works, and the chats whose end it has proved. */
export interface Paged {
  /** it has brought a message */
  works: boolean;
  /** models of chats of which it has reached the end */
  ended: Set<unknown>;
}

/** What has been read of one chat so far, between two evaluations. */
export interface ChatReading {
  chat: ChatModel;
  paged: Paged;
  /** its messages by keyOf(): from memory, which is the latest state, else from disk */
  known: Map<string, MessageModel>;
  /** keys of those that the disk has given */
  onDisk: Set<string>;
  /** how it is read; once the disk has failed, by paging back to the end */
  by: 'disk' | 'paging';
  /** whether this build has a function for it */
  readsDisk: boolean;
  /** where the next read of the disk begins */
  anchor: unknown;
  /** calls in a row without an answer */
  silent: number;
  /** reading has ended: all was read, or there is a doubt */
  done: boolean;
  /** the page has not loaded this chat yet, and it can be read in no other way */
  unloaded: boolean;
  /** why there may be more than was read */
  doubt: string | null;
  /** what is to be passed to Node, once all is read; fresh: a message since the time asked for, else only its change counts */
  entries: { message: MessageModel; fresh: boolean }[] | null;
  /** time of the newest message in the chat */
  through: number | null;
}

export interface Account {
  wid: string | null;
  lid: string | null;
  push_name: string | null;
  platform: string | null;
}
