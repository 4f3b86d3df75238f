// Runs in every document and frame, before any script of the page: makes the page believe that it does not have the focus.
// Without a window nobody looks at it, but the headless shell gives its page the focus all the same, and WhatsApp Web would
// announce the account as available at each connect and confirm messages as an active device (WAWebStreamModel). Sent as source
// text (evaluateOnNewDocument), so it may use nothing from outside itself.

/** Makes document.hasFocus() false, and keeps the window's own events of it from the page. */
export function takeFocusAway() {
  const page = /** @type {any} */ (globalThis);
  // a method, which like the browser's own has its name and is no constructor
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
  // The page gets no such event of the window itself. Fields that it focuses keep theirs.
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
