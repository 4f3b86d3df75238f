// What the page does when the server refuses the account at a connect (WAWebHandleFailure, 2026-04-27).

import { leave } from './leaving.js';
import { setScreen } from './screens.js';
import { Cmd } from './socket.js';

/** @returns {Promise<boolean>} whether the page has left: the session is gone */
export async function fail({ code, about }) {
  switch (code) {
    case 402:
      // the words of the screen come from `code`; the state goes on as if nothing had been said
      Cmd.onTemporaryBanFromBridge({ banned: true, ...about });
      setScreen('temp_ban', true);
      return false;
    case 503:
      Cmd.onServiceUnavailableFromBridge();
      setScreen('unavailable', true);
      return false;
    case 403:
      await leave({ announced: false, params: { logout_reason: 3, ...about } });
      return true;
    default:
      await leave({ announced: false });
      return true;
  }
}

/** The server let the account in, and the page says so at each connect (WAWebHandleSuccess, 2026-04-27). */
export function succeed() {
  Cmd.onTemporaryBanFromBridge({ banned: false });
  setScreen('temp_ban', false);
}
