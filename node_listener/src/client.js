// Makes the library's client for this profile. Only composition and the mends hold it; the rest gets a read-only view.
import wwebjs from 'whatsapp-web.js';
import { launchOptions } from './browser.js';
import { createProfileAuth } from './profile-auth.js';

/** How long a pairing code is good, and so how often the library asks for a new one. */
export const PAIRING_CODE_SECONDS = 180;

/**
 * `webVersionCache: none`: the default writes beside the working directory inside the ready handler, and where it can't,
 * ready never comes. The library's default user agent says Chrome 101, hence ours, or the browser's own.
 * @param {import('./options.js').Options} options
 * @param {string | null} userAgent
 * @param {() => Promise<void>} afterLaunch
 * @returns {import('whatsapp-web.js').Client}
 */
export function createClient(options, userAgent, afterLaunch) {
  const settings = {
    authStrategy: createProfileAuth({ afterLaunch }),
    puppeteer: launchOptions(options, userAgent),
    webVersionCache: { type: 'none' },
    authTimeoutMs: options.timing.authentication,
    userAgent: userAgent ?? false,
    qrMaxRetries: 0,
    takeoverOnConflict: false,
    pairWithPhoneNumber: {
      phoneNumber: options.pairing_phone ?? '',
      showNotification: true,
      intervalMs: PAIRING_CODE_SECONDS * 1000,
    },
  };
  return new wwebjs.Client(/** @type {any} */ (settings));
}

/**
 * The single write that is allowed. WhatsApp Web announces the account as available, which silences the phone's own
 * notifications (OpenWA#1175, WAHA#412); the setting is per connection.
 * @param {import('whatsapp-web.js').Client} client
 */
export async function setOwnPresenceUnavailable(client) {
  await client.sendPresenceUnavailable();
}
