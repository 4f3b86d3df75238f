// Runs in every document and frame, before any script of the page: nobody looks at it. Without a window nobody does, but the
// headless shell gives its page the focus all the same, and WhatsApp Web would announce the account as available at each
// connect and confirm messages as an active device (WAWebStreamModel). Sent as source text (evaluateOnNewDocument), so it may
// use nothing from outside itself.

export function takeFocusAway() {
  const page = /** @type {any} */ (globalThis);
  Object.defineProperty(page.Document.prototype, 'hasFocus', {
    value: {
      hasFocus() {
        return false;
      },
    }.hasFocus,
    configurable: true,
    enumerable: true,
    writable: true,
  });
  // Of the window itself. Fields that the page focuses keep their events.
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
