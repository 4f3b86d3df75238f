// Loaded into the Node child before its program (node --import): every sweep finds an empty list of chats. Nothing else
// is changed, and nothing of this is in the program. A chaos run that loses nothing even so would prove nothing.
import { register } from 'node:module';

const hooks = `
  export async function load(url, context, next) {
    const loaded = await next(url, context);
    if (!url.endsWith('/src/page/sweep.js')) return loaded;
    const source = String(loaded.source);
    const blind = source.replace(/export function listChats\\(.*\\) \\{/, '$& return { total: 0, wanted: [] };');
    if (blind === source) throw new Error('cannot switch sweeps off: there is no listChats in ' + url);
    return { ...loaded, source: blind };
  }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
