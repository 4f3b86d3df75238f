// Composes what runs in the page into source text: functions from several modules here, in one scope there.
import { buttonToClick, dialogName, isPasskeyCheck } from '../dialogs.js';
import { isHosted, isLid, messageId, personId, serialized, widText } from '../message/ids.js';
import { chatKind, isNumberChange, isSystemType, isWanted, isWantedChat } from '../message/kinds.js';
import { screenShown } from '../screens.js';
import { patchHelpers, prepareAgent, readAccount, startWatching, wrapBinding } from './agent.js';
import { answered, beginReading, gather, keyOf, pageBack, readDisk, wasStored } from './reading.js';
import {
  contactFacts,
  factsBehind,
  factsOnce,
  firstOf,
  messageRecord,
  plain,
  reactionRecords,
} from './records.js';
import {
  chooseMessages,
  deliveringFor,
  emptyPiece,
  listChats,
  nextPiece,
  prepareSweeping,
  reactionsTo,
  readChat,
  readChats,
} from './sweep.js';
import { pollsOf, voteRecords, votesSince, voteTime, watchVotes } from './votes.js';
import { watchCalls } from './watch-calls.js';
import { watchDialogs } from './watch-dialogs.js';
import { watchScreens } from './watch-screens.js';
import { watchSession } from './watch-session.js';

const SHARED = [
  serialized,
  widText,
  messageId,
  isLid,
  isHosted,
  personId,
  chatKind,
  isWantedChat,
  isSystemType,
  isNumberChange,
  isWanted,
  plain,
  firstOf,
  contactFacts,
  factsBehind,
  messageRecord,
  reactionRecords,
  wrapBinding,
  readAccount,
  watchCalls,
  watchVotes,
  voteTime,
  voteRecords,
  pollsOf,
  buttonToClick,
  dialogName,
  isPasskeyCheck,
  screenShown,
];

const SWEEPING = [
  factsOnce,
  beginReading,
  keyOf,
  gather,
  readDisk,
  wasStored,
  pageBack,
  answered,
  emptyPiece,
  chooseMessages,
  nextPiece,
  reactionsTo,
  deliveringFor,
  listChats,
  readChat,
  readChats,
  votesSince,
];

/**
 * @typedef {object} PageConfig
 * @property {string} namespace the property of window that holds our functions
 * @property {string} report the binding by which our page scripts report to Node
 * @property {boolean} groups
 * @property {boolean} headless nobody looks at the page
 * @property {number} heartbeat milliseconds
 * @property {string[]} senders functions of window.WWebJS that send
 * @property {string[]} ignored bindings of the library that we do not listen to
 */

/**
 * @param {Function} main
 * @param {PageConfig} config
 * @param {Function[]} [more] functions that only `main` needs
 */
function scoped(main, config, more = []) {
  return `(() => { ${[...SHARED, ...more].join('\n')}
return (${main})(${JSON.stringify(config)}); })()`;
}

/** @param {PageConfig} config */
export const pageSources = (config) => ({
  /** For every new document, in this order. */
  watches: [watchSession, watchScreens, watchDialogs].map((watch) => scoped(watch, config)),
  /** Makes our functions available to later evaluations. */
  prepare: scoped(prepareAgent, config),
  /** For just before the library attaches its listeners. */
  patch: scoped(patchHelpers, config),
  /** For just after. */
  watch: scoped(startWatching, config),
  /** For before a sweep. */
  sweeping: scoped(prepareSweeping, config, SWEEPING),
});
