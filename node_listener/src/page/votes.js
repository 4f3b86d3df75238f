// Runs in the page: reports votes on polls as they come, and reads those that are kept. They are no messages of their chat but
// rows of a table, one for each poll and voter, whose last vote is kept (WAWebPollsVotesSchema, build of 2026-04-27). The page
// has two ways to take a vote in, and only one of them goes through `pollVoteTableMode.bulkUpsert`, which the library wraps;
// both end in PollVoteCollection. Only reads. Sent as source text together with the other page scripts (see install.js).

import { messageId, widText } from '../message/ids.js';
import { isWantedChat } from '../message/kinds.js';
import { contactFacts, firstOf } from './records.js';

/**
 * @typedef {import('./page.js').Page} Page
 * @typedef {import('./page.js').Agent} Agent
 */

/**
 * Reports votes as they come. Old votes are left to the sweep: the collection gets those too, with the history of a new link and
 * when the page restores a chat.
 * @param {Agent} agent
 */
export function watchVotes(agent) {
  const RETRY = 2_000;
  /** Seconds after which a vote counts as old. */
  const OLD = 3_600;
  /** Subscribes; again and again until the module is loaded. */
  const watch = () => {
    const votes = firstOf(() => agent.requireOriginal('WAWebPollsPollVoteCollection').PollVoteCollection);
    if (typeof votes?.on !== 'function') {
      setTimeout(watch, RETRY); // the page loads this module late
      return;
    }
    votes.on(
      'add',
      agent.safely('a vote', (/** @type {any} */ vote) => {
        if (voteTime(vote) < Date.now() / 1000 - OLD) return;
        voteRecords([vote]).then(
          (records) => agent.report({ kind: 'votes', votes: records }),
          (error) => agent.failed('a vote', error),
        );
      }),
    );
  };
  watch();
}

/**
 * The votes that the page has stored since a time, in the form of voteRecords().
 * @param {number} since seconds
 * @param {boolean} groups whether votes in groups count
 * @returns {Promise<Record<string, any>[]>} none from a build that has no such table
 */
export async function votesSince(since, groups) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  const table = firstOf(() => page.require('WAWebPollsVotesSchema').getTable());
  const mode = firstOf(() => page.require('WAWebAddonPollVoteTableMode').pollVoteTableMode);
  if (typeof table?.all !== 'function' || typeof mode?.bulkGetByParentMsgKey !== 'function') return [];
  // The rows only show which polls have votes since then: what was chosen is encrypted. The page's own reader decrypts it.
  const rows = (await table.all()).filter((/** @type {any} */ row) => {
    const chat = messageId(row.parentMsgKey)?.remote ?? null;
    return row.senderTimestampMs >= since * 1000 && isWantedChat(chat, groups);
  });
  const polls = [...new Set(rows.map((/** @type {any} */ row) => String(row.parentMsgKey)))];
  if (polls.length === 0) return [];
  const votes = await mode.bulkGetByParentMsgKey(polls);
  return voteRecords(votes.filter((/** @type {any} */ vote) => voteTime(vote) >= since));
}

/**
 * The time of a vote in seconds: the server's, else the sender's.
 * @param {any} vote
 */
export function voteTime(vote) {
  return Number(vote.t) || Math.floor(Number(vote.senderTimestampMs) / 1000);
}

/**
 * Votes in the form of messages (type `poll_vote`), with the question and the names of what was chosen as far as the poll is
 * known. A vote that does not say who voted, or on what, is left out.
 * @param {any[]} votes models of the collection, or what the table gives
 * @returns {Promise<Record<string, any>[]>}
 */
export async function voteRecords(votes) {
  const polls = await pollsOf(votes.map((vote) => vote.parentMsgKey ?? vote.pollUpdateParentKey));
  const records = [];
  for (const vote of votes) {
    const id = messageId(vote.msgKey ?? vote.id);
    const pollId = messageId(vote.parentMsgKey ?? vote.pollUpdateParentKey);
    if (id === null || pollId === null) continue;
    const poll = polls.get(`${pollId.fromMe} ${pollId.id}`);
    const selected = Array.from(vote.selectedOptionLocalIds ?? [], Number);
    const options = (poll?.pollOptions ?? [])
      .filter((/** @type {any} */ option) => selected.includes(Number(option?.localId)))
      .map((/** @type {any} */ option) => option.name);
    const party = id.remote.endsWith('@g.us') ? id.participant : id.remote;
    records.push({
      id,
      t: voteTime(vote),
      type: 'poll_vote',
      from: widText(vote.sender ?? vote.author ?? vote.from),
      leadmasterd_vote: { poll: pollId, question: poll?.pollName ?? null, selected, options },
      leadmasterd_contact: firstOf(() => contactFacts(party)),
    });
  }
  return records;
}

/**
 * The polls with these keys, from memory, else from disk, which adds nothing to memory (WAWebDBMsgUtils). One that is nowhere, or
 * cannot be read, is left out.
 * @param {any[]} keys
 * @returns {Promise<Map<string, any>>} `fromMe id` -> message
 */
export async function pollsOf(keys) {
  /** @type {Page} */
  const page = /** @type {any} */ (globalThis);
  /** @type {Map<string, any>} */
  const polls = new Map();
  const add = (/** @type {any} */ poll) => {
    const id = messageId(poll?.id);
    if (id !== null) polls.set(`${id.fromMe} ${id.id}`, poll);
  };
  const missing = new Set();
  for (const key of keys) {
    const poll = firstOf(() => page.require('WAWebCollections').Msg.get(key));
    if (poll === null) missing.add(String(key));
    else add(poll);
  }
  if (missing.size > 0) {
    try {
      for (const poll of await page.require('WAWebDBMsgUtils').getMsgsByMsgKey([...missing])) add(poll);
    } catch {
      // the vote counts all the same, only without its words
    }
  }
  return polls;
}
