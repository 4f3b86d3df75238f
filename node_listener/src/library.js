// The library's client, from its own file: the library's index also loads archivers and file copies for what keeps a session
// elsewhere, which nothing here uses and which takes a third of the time.
import { createRequire } from 'node:module';

/** @type {typeof import('whatsapp-web.js').Client} */
export const Client = createRequire(import.meta.url)('whatsapp-web.js/src/Client.js');
