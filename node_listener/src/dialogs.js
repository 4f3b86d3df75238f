// What a dialog of the page is, by its words: which button may be clicked (that of one which only wants to be acknowledged, such
// as "What's new", and none of one that asks something), and which dialogs need a person. Like message/ids.js this runs in Node
// and, as source text, in the page, so it uses nothing from outside itself. The browser starts with --lang=en-US; Spanish is
// for accounts whose page follows the phone.

/**
 * The button that acknowledges a dialog, where nothing suggests that it asks a question: in doubt nothing is clicked.
 * @param {object} dialog
 * @param {string} dialog.heading
 * @param {string[]} dialog.buttons their labels; empty for one that is only a picture
 * @param {boolean} dialog.writes whether it has a field to type into
 * @returns {number} index of the button, -1 for none
 */
export function buttonToClick({ heading, buttons, writes }) {
  const acknowledgements = [
    'continue',
    'ok',
    'okay',
    'got it',
    'ok, got it',
    'continuar',
    'entendido',
    'aceptar',
  ];
  /** Labels that decline something: with one of them the dialog is a question, and another button answers it. */
  const declines =
    /^(cancel|no|no,.*|no thanks|not now|later|back|go back|decline|reject|dismiss|deny|cancelar|ahora no|volver|atrás|rechazar)$/;
  /** Words of buttons and headings that change or end something. */
  const changes =
    /\b(log ?out|log ?off|sign ?out|unlink|delete|remove|erase|clear|exit|leave|block|report|reset|cerrar sesión|desvincular|eliminar|borrar|vaciar|quitar|salir|bloquear|reportar|denunciar|restablecer)\b/;
  /** Words of buttons that send something, or take the session over from another page. */
  const sends =
    /\b(send|forward|share|call|invite|join|accept|use here|enviar|reenviar|compartir|llamar|invitar|unirse|usar aquí)\b/;

  const words = (/** @type {string} */ text) =>
    text
      .toLowerCase()
      .replace(/\s+/g, ' ')
      .replace(/[\s.!…›→]+$/, '')
      .trim();
  const labels = buttons.map(words);
  const acknowledging = labels.findIndex((label) => acknowledgements.includes(label));
  if (acknowledging < 0 || writes || changes.test(words(heading))) return -1;
  const others = labels.filter((_, index) => index !== acknowledging);
  const isQuestion = others.some((label) => declines.test(label) || changes.test(label) || sends.test(label));
  const hasTwoAcknowledgements = others.some((label) => acknowledgements.includes(label));
  return isQuestion || hasTwoAcknowledgements ? -1 : acknowledging;
}

/**
 * Whether this is the check that WhatsApp Web may ask of an account that is linked already, which is answered by a passkey
 * (WAWebCheckpointModalStrings, build of 2026-04-27).
 * @param {string} text of a dialog
 */
export function isPasskeyCheck(text) {
  return /quick security check with passkey|after we verify your account with your passkey/i.test(text);
}

/**
 * The name of a dialog whose cause the daemon must know; null for any other. `disk_full`: WhatsApp Web cannot store anything, and
 * ends this with a logout (WAWebStorageQuotaExceededPopup and WAWebCacheStorageOpenFailedPopup, build of 2026-04-27).
 * @param {string} text
 * @param {ReadonlySet<string>} signs what events of the page have said so far: with `disk_full` any dialog counts as that one
 * @returns {string | null}
 */
export function dialogName(text, signs) {
  if (/not have enough space for whatsapp/i.test(text)) return 'disk_full';
  return signs.has('disk_full') ? 'disk_full' : null;
}
