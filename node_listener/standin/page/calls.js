// Calls. By mid 2026 signalling goes to the native stack: setActiveCall gets a model that is in no collection (wa-js#3567).
// The old way adds the model to the collection's Map, which the library wraps.

import { config } from './config.js';
import { Events, Model } from './models.js';

export class CallModel extends Model {
  getState() {
    return this.state;
  }
}

class CallCollection extends Events {
  // The library looks for the own property that is a Map and wraps its `set` (Client.js:1072).
  calls = new Map();
  activeCall = null;
  get(id) {
    return this.calls.get(id);
  }
  setActiveCall(call) {
    this.activeCall = call;
    this.trigger('change:activeCall', call);
  }
}

export const callCollection = new CallCollection();

/** Milliseconds for which a native call is the active one. */
const RINGS = 5_000;

/** Lets a call ring, which then ends in a state. */
export function ring(call, ends) {
  if (config.ways.calls === 'native') {
    callCollection.setActiveCall(call);
    setTimeout(() => {
      call.set('state', ends);
      if (callCollection.activeCall === call) callCollection.setActiveCall(null);
    }, RINGS);
    return;
  }
  const map = Object.values(callCollection).find((value) => value instanceof Map);
  map?.set(call.id, call);
  queueMicrotask(() => call.set('state', ends));
}

const dayOf = (seconds) => new Date(seconds * 1000).toDateString();

/** The line of a call missed while away, or of another day, is hidden in its chat (WAWebVoipActionWriteCallLogOfferNotice). */
export function shownCall(stanza, offline) {
  if (config.ways.calls !== 'native' || stanza.type !== 'call_log') return stanza;
  const today = dayOf(stanza.t) === dayOf(Date.now() / 1000);
  return { ...stanza, viewMode: offline || !today ? 'CALL_LOG_OFFLINE_RESUME' : 'VISIBLE' };
}
