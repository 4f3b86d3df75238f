// Composes what runs in the page into source text: functions from several modules, which know each other by name, become
// functions of one scope there. So each function that a page script calls must be in one of the lists below.
import { buttonToClick, dialogName, isPasskeyCheck } from '../dialogs.js';
import { isHosted, isLid, messageId, personId, serialized, widText } from '../message/ids.js';
import { chatKind, isNumberChange, isSystemType, isWanted, isWantedChat } from '../message/kinds.js';
import { screenShown } from '../screens.js';
import { patchHelpers, prepareAgent, readAccount, startWatching, wrapBinding } from './agent.js';
import { answerInTime, beginReading, gather, keyOf, pageBack, readDisk, wasStored } from './reading.js';
import {
  contactFacts,
  factsOfParties,
  factsOfParty,
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

/** Functions that every page script finds in its scope. */
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
  factsOfParty,
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

/** Functions that only a sweep needs. */
const SWEEPING = [
  factsOfParties,
  beginReading,
  keyOf,
  gather,
  readDisk,
  wasStored,
  pageBack,
  answerInTime,
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
 * @property {boolean} groups whether groups are captured
 * @property {boolean} headless the browser has no window, so nobody looks at the page
 * @property {number} heartbeat milliseconds between two heartbeats
 * @property {string[]} senders functions of window.WWebJS that send
 * @property {string[]} ignored bindings of the library whose events nobody listens to
 */

/**
 * Source text that calls a function with the configuration, in a scope that has the functions it uses.
 * @param {Function} main
 * @param {PageConfig} config
 * @param {Function[]} [more] functions that it needs besides SHARED
 * @returns {string}
 */
function scoped(main, config, more = []) {
  return `(() => { ${[...SHARED, ...more].join('\n')}
return (${main})(${JSON.stringify(config)}); })()`;
}

/** What is evaluated in the page, as source text, and when. @param {PageConfig} config */
export const pageSources = (config) => ({
  /** In every new document, in this order: the later ones use what the first adds to the agent. */
  watches: [watchSession, watchScreens, watchDialogs].map((watch) => scoped(watch, config)),
  /** Makes our functions available to later evaluations. */
  prepare: scoped(prepareAgent, config),
  /** Just before the library attaches its listeners. */
  patch: scoped(patchHelpers, config),
  /** Just after that. Returns the account. */
  watch: scoped(startWatching, config),
  /** Before a sweep. Returns whether the page is prepared. */
  sweeping: scoped(prepareSweeping, config, SWEEPING),
});
