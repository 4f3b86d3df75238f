// What the server decided for this load of the page: shapes, missing modules, held phases.

export const config = JSON.parse(document.getElementById('standin').textContent);

/** Names this load of the page to the server. */
export const pageId = crypto.randomUUID();
