// The server's settings for this page load: shapes of ids, missing modules, held phases.

export const config = JSON.parse(document.getElementById('standin').textContent);

/** Identifies this page load to the server. */
export const pageId = crypto.randomUUID();
