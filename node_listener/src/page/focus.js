// Runs in every document and frame, before any script of the page: makes the page believe that it does not have the focus.
// Without a window nobody looks at it, but the headless shell gives its page the focus all the same, and WhatsApp Web would
// announce the account as available at each connect and confirm messages as an active device (WAWebStreamModel). Sent as source
// text (evaluateOnNewDocument), so it may use nothing from outside itself.

/** Makes document.hasFocus() false, and hides the window's focus and blur events from the page. */
export function takeFocusAway() {
  const page = /** @type {any} */ (globalThis);
  // Written as a method, so that like the browser's own it is named hasFocus and is no constructor.
  const { hasFocus } = {
    hasFocus() {
      return false;
    },
  };
  Object.defineProperty(page.Document.prototype, 'hasFocus', {
    value: hasFocus,
    configurable: true,
    enumerable: true,
    writable: true,
  });
  // Only events of the window itself are hidden: fields that the page focuses keep theirs.
  for (const type of ['focus', 'blur']) {
    page.addEventListener(
      type,
      (/** @type {Event} */ event) => {
        if (event.target === page || event.target === page.document) event.stopImmediatePropagation();
      },
      true,
    );
  }
}
