// The library's client, loaded from its own file: the library's index also loads what stores sessions elsewhere (archives, copies
// of files), which nothing here uses and which takes a third of the time to load.
import { createRequire } from 'node:module';

/** @type {typeof import('whatsapp-web.js').Client} */
export const Client = createRequire(import.meta.url)('whatsapp-web.js/src/Client.js');
