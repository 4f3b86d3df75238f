// Runs in the page: reports calls as they ring. Builds of 2026-04 put a call into the collection's Map; by 2026-08 a native part
// handles the signalling and `setActiveCall` gets a model that is in no Map (wa-js#3567). Both are wrapped here and not by the
// library, which knows the Map only, and skips even that when the module is loaded after it attached.
// Sent as source text together with the other page scripts (see install.js).

import { contactFacts, firstOf } from './records.js';

/**
 * Wraps both ways by which the page learns of a call, as soon as the module is loaded.
 * @param {import('./page.js').Agent} agent
 */
export function watchCalls(agent) {
  const RETRY = 2_000;

  /**
   * Reports a call, but not a link to a call. The same call may be reported several times: Node keeps the first.
   * @param {any} call
   * @param {'collection' | 'active_call'} source which way it came
   */
  const reportCall = (call, source) => {
    if (!call || call.isCallLink) return;
    const { id, peerJid, isVideo, outgoing, offerTime } = call;
    const raw = agent.plain({ id, peerJid, isVideo, outgoing, offerTime });
    raw.leadmasterd_contact = firstOf(() => contactFacts(peerJid));
    agent.report({ kind: 'call', source, call: raw });
  };

  /** Reports the calls that are there already, and wraps; later, if the module is not loaded yet. */
  const wrap = () => {
    let collection;
    try {
      collection = agent.requireOriginal('WAWebCallCollection');
    } catch {
      // the page loads this module late
    }
    if (!collection) {
      setTimeout(wrap, RETRY);
      return;
    }
    const report = agent.safely('a call', reportCall);
    const calls = Object.values(collection).find((value) => value instanceof Map);
    // Calls that rang before this ran, or before the module was loaded.
    if (calls) for (const call of calls.values()) report(call, 'collection');
    report(collection.activeCall, 'active_call');
    if (calls) {
      const set = calls.set.bind(calls);
      calls.set = (/** @type {unknown} */ key, /** @type {unknown} */ call) => {
        report(call, 'collection');
        return set(key, call);
      };
    }
    const { setActiveCall } = collection;
    if (typeof setActiveCall !== 'function') return;
    collection.setActiveCall = function activate(
      /** @type {unknown} */ call,
      /** @type {unknown[]} */ ...rest
    ) {
      report(call, 'active_call');
      return setActiveCall.call(this, call, ...rest);
    };
  };
  wrap();
}
