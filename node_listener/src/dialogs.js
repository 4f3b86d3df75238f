// Which button of a dialog may be clicked: that of a dialog that only wants to be acknowledged ("What's new"), and none
// of one that asks something. Like message/ids.js this runs in Node and, as source text, in the page, so it uses nothing
// from outside itself. The browser starts with --lang=en-US; Spanish is for accounts whose page follows the phone.

/**
 * @param {object} dialog
 * @param {string} dialog.heading
 * @param {string[]} dialog.buttons their labels; empty for one that is only a picture
 * @param {boolean} dialog.writes whether it has a field to type into
 * @returns {number} index of the button, -1 for none
 */
export function buttonToClick({ heading, buttons, writes }) {
  const acknowledges = [
    'continue',
    'ok',
    'okay',
    'got it',
    'ok, got it',
    'continuar',
    'entendido',
    'aceptar',
  ];
  /** With one of these in the dialog, the other button is an answer that is not ours to give. */
  const declines =
    /^(cancel|no|no,.*|no thanks|not now|later|back|go back|decline|reject|dismiss|deny|cancelar|ahora no|volver|atrás|rechazar)$/;
  const acts =
    /\b(log ?out|log ?off|sign ?out|unlink|delete|remove|erase|clear|exit|leave|block|report|reset|cerrar sesión|desvincular|eliminar|borrar|vaciar|quitar|salir|bloquear|reportar|denunciar|restablecer)\b/;
  const sends =
    /\b(send|forward|share|call|invite|join|accept|use here|enviar|reenviar|compartir|llamar|invitar|unirse|usar aquí)\b/;

  const words = (/** @type {string} */ text) =>
    text
      .toLowerCase()
      .replace(/\s+/g, ' ')
      .replace(/[\s.!…›→]+$/, '')
      .trim();
  const labels = buttons.map(words);
  const found = labels.findIndex((label) => acknowledges.includes(label));
  if (found < 0 || writes || acts.test(words(heading))) return -1;
  const others = labels.filter((_, index) => index !== found);
  const isQuestion = others.some((label) => declines.test(label) || acts.test(label) || sends.test(label));
  const hasTwoAcknowledgements = others.some((label) => acknowledges.includes(label));
  return isQuestion || hasTwoAcknowledgements ? -1 : found;
}

/**
 * The check that WhatsApp Web may ask of an account that is linked already, answered by a passkey
 * (WAWebCheckpointModalStrings, build of 2026-04-27).
 * @param {string} text of a dialog
 */
export function isPasskeyCheck(text) {
  return /quick security check with passkey|after we verify your account with your passkey/i.test(text);
}

/**
 * What a dialog is about, where a person needs more than its words. `disk_full`: WhatsApp Web cannot store anything, and ends
 * this with a logout (WAWebStorageQuotaExceededPopup and WAWebCacheStorageOpenFailedPopup, build of 2026-04-27).
 * @param {string} text
 * @param {ReadonlySet<string>} signs what events have told
 * @returns {string | null}
 */
export function dialogName(text, signs) {
  if (/not have enough space for whatsapp/i.test(text)) return 'disk_full';
  return signs.has('disk_full') ? 'disk_full' : null;
}
