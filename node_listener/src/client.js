// Makes the library's client for this profile. Only the parts that set it up and patch it hold the client itself; its
// events go through a read-only view.
import { launchOptions } from './browser.js';
import { Client } from './library.js';
import { createProfileAuth } from './profile-auth.js';

/** Seconds for which a pairing code is valid. The library then asks for a new one. */
export const PAIRING_CODE_SECONDS = 180;

/**
 * A client that is not started yet; initialize() launches its browser.
 * `webVersionCache: none`: the default writes a file into the working directory within the ready handler; where it cannot,
 * ready never comes. `userAgent`: the library's default says Chrome 101.
 * @param {import('./options.js').Options} options
 * @param {string | null} userAgent null: the browser's own
 * @param {() => Promise<void>} afterLaunch runs when the browser is up and has loaded nothing yet
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
  return new Client(/** @type {any} */ (settings));
}

/**
 * Announces that the account is not online: the only write that is allowed. WhatsApp Web announces the account as available,
 * which silences the phone's own notifications (OpenWA#1175, WAHA#412); the setting lasts for one connection.
 * @param {import('whatsapp-web.js').Client} client
 */
export async function setOwnPresenceUnavailable(client) {
  await client.sendPresenceUnavailable();
}
