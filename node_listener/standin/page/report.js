// The page's reports to the server. Everything that would be sent to WhatsApp ends here, as a record.

import { pageId } from './config.js';

export const session = { token: null };

/** Reports to the server and returns its answer. Throws when it is not reached. */
export async function report(kind, fields = {}) {
  const answer = await fetch('/standin/report', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind, page: pageId, token: session.token, ...fields }),
  });
  if (!answer.ok) throw new Error(`the server refused ${kind}: ${answer.status}`);
  return answer.json();
}

/** For reports that nobody awaits: a lost connection must not become an error of the page. */
export function reportQuietly(kind, fields) {
  report(kind, fields).catch(() => {});
}

/** A short form of arguments that may hold whole chats: ids, texts and the names of fields. */
export function summary(args) {
  /** The short form of one value: at most three levels deep, five entries of a list, twelve fields of an object. */
  const short = (value, depth = 0) => {
    if (value === null || typeof value !== 'object') return typeof value === 'function' ? 'function' : value;
    if ('server' in value && 'user' in value) return String(value);
    if (value.id && typeof value.id === 'object') {
      const known = { id: String(value.id), type: value.type, body: value.body, caption: value.caption };
      return Object.fromEntries(Object.entries(known).filter(([, each]) => each !== undefined));
    }
    if (depth > 2) return '…';
    if (Array.isArray(value)) return value.slice(0, 5).map((each) => short(each, depth + 1));
    return Object.fromEntries(
      Object.entries(value)
        .slice(0, 12)
        .map(([name, each]) => [name, short(each, depth + 1)]),
    );
  };
  return args.map((arg) => short(arg));
}
