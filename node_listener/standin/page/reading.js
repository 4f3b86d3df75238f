// Reading back: loadEarlierMsgs, which brings older messages into memory, and msgFindByDirection, which reads the disk.

import { config } from './config.js';
import { keyText, MsgKey } from './ids.js';
import { loadAfter, loadBefore, loadMessage, loadMessages } from './storage.js';
import { arriving, beginnings, buildMsg, INCOMPLETE, Msg, messageData } from './world.js';

/** Faults by name: the ids of the chats that have it, or `all`. */
const faults = config.readFaults;

export function setReadFault({ name, chats }) {
  faults[name] = chats;
}

const fails = (name, chat) => faults[name].some((each) => each === 'all' || each === chat);

const NOT_FOUND = 404;
const TRIES = 5;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * The old way: one page of messages older than those loaded of this chat, `[]` when there are no more. After a reading
 * error the answer is `[]` too.
 */
async function loadOld({ chat }) {
  const id = chat.id.toString();
  const beginning = beginnings.get(id);
  if (!beginning || fails('load_fails', id) || fails('load_404', id)) return [];
  const records = (await loadBefore(id, beginning, config.pageSize)).reverse();
  if (records.length === 0) return [];
  beginnings.set(id, { t: records[0].t, row: records[0].row });
  const models = records
    .filter(({ key }) => !arriving.has(key))
    .map((record) => bringIn(chat, record))
    .filter((model) => model !== null);
  // The chat knew every message of this page (they came live, out of order): return the next page.
  return models.length ? models : loadOld({ chat });
}

/** Puts a stored message into memory and into its chat; null when the chat has it. */
function bringIn(chat, record) {
  // One of many unread messages is in memory, but not in its chat.
  const msg = Msg.get(record.key) ?? buildMsg(record, false);
  if (chat.msgs.get(msg.id)) return null;
  chat.msgs.add(msg);
  return Msg.add(msg);
}

/**
 * WAWebChatLoadMessages: waits for a chat that is not loaded yet; undefined once the chat's end is marked. A page that is
 * not full marks the end, and so does the `[]` after a reading error: the mark proves nothing.
 */
async function loadPage({ chat }) {
  await untilLoaded(chat);
  const { msgs } = chat;
  const state = msgs.msgLoadState;
  if (state.noEarlierMsgs) return undefined;
  if (!state.isLoadingEarlierMsgs) {
    state.isLoadingEarlierMsgs = true;
    msgs.loadEarlierPromise = tryReading(chat).finally(() => {
      state.isLoadingEarlierMsgs = false;
    });
    const { isFull } = await msgs.loadEarlierPromise;
    const type = fails('no_end', chat.id.toString()) ? INCOMPLETE : chat.endOfHistoryTransferType;
    if (!isFull) state.noEarlierMsgs = type !== INCOMPLETE;
  }
  return (await msgs.loadEarlierPromise).models;
}

export const loadEarlierMsgs = (asked) => (config.ways.paging === 'page' ? loadPage : loadOld)(asked);

/** Resolves when the chat has its messages in memory (`pendingInitialLoading` is over). */
function untilLoaded(chat) {
  if (!chat.pendingInitialLoading) return Promise.resolve();
  return new Promise((resolve) => {
    chat.once('change:pendingInitialLoading', resolve);
  });
}

/** Reads one page, with pauses between tries. After the last, or where the anchor is not on disk, an empty page. */
async function tryReading(chat) {
  for (let failed = 0; ; ) {
    try {
      return await readOnce(chat);
    } catch (error) {
      failed += 1;
      if (error === NOT_FOUND || failed === TRIES) return { models: [], isFull: false };
      await sleep(config.loadRetry * 2 ** (failed - 1));
    }
  }
}

/** Brings one page of older messages into memory. Throws NOT_FOUND where the chat's oldest message is not on disk. */
async function readOnce(chat) {
  const id = chat.id.toString();
  const head = chat.msgs.head();
  if (fails('load_fails', id)) throw new Error('the stand-in lets reading fail');
  // What is in memory only, because it has just come, is no place on the disk.
  if (fails('load_404', id) || (head && !(await loadMessage(keyText(head.id))))) throw NOT_FOUND;
  const records = (await loadBefore(id, beginnings.get(id) ?? null, config.pageSize)).reverse();
  if (records.length > 0) beginnings.set(id, { t: records[0].t, row: records[0].row });
  const shown = records.filter(({ key }) => !arriving.has(key));
  const models = shown.map((record) => {
    const msg = Msg.get(record.key) ?? buildMsg(record, false);
    chat.msgs.add(msg);
    return Msg.add(msg);
  });
  return { models, isFull: records.length === config.pageSize };
}

/** WAWebDBMessageFindLocal: plain records from the disk, oldest first, and nothing of memory. */
async function find({ anchor, count = 20, direction }) {
  const chat = `${anchor.remote}`;
  if (fails('find_fails', chat)) throw new Error('the stand-in lets the database fail');
  const at = anchor instanceof MsgKey ? await loadMessage(keyText(anchor)) : null;
  if (anchor instanceof MsgKey && !at) return { messages: [], status: NOT_FOUND };
  if (direction === 'after' && !at) return { messages: [], status: 200 };
  const records =
    direction === 'after' ? await loadAfter(chat, at, count) : (await loadBefore(chat, at, count)).reverse();
  return { messages: records.map((record) => storedData(messageData(record))), status: 200 };
}

/** Without what is no column of the real table (WAWebSchemaMessage). */
const storedData = ({ verifiedBizName, smbClientCampaignId, ...data }) => data;

export const messageFindLocal = {
  msgFindBefore: (asked) => find({ ...asked, direction: 'before' }),
  msgFindAfter: (asked) => find({ ...asked, direction: 'after' }),
  msgFindByDirection: find,
};

/** WAWebDBMsgUtils: plain records from disk by the text of their keys; nothing is added to memory. */
export const getMsgsByMsgKey = async (keys) => (await loadMessages(keys)).map(messageData);
