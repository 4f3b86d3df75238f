// The library's client, loaded from its own file. The library's index also loads code that stores sessions elsewhere (archives,
// copies of files): nothing here uses that, and it takes a third of the time to load.
import { createRequire } from 'node:module';

/** @type {typeof import('whatsapp-web.js').Client} */
export const Client = createRequire(import.meta.url)('whatsapp-web.js/src/Client.js');
