// Sections with data-live update by themselves: the server says what has changed, and the section is fetched again.
//
// data-live is the URL of the section, data-on the names of the events that change it. Without this script every page
// shows and does the same, but has to be loaded again.

const LEAST_PAUSE = 250; // milliseconds between two requests for one section, however often it changes
const LONGEST_PAUSE = 60_000; // a section is fetched at least this often: the times that it shows grow old

/**
 * By a section's id: whether a request for it is running, whether another has to follow, and the timer of the next.
 * @type {Map<string, { running: boolean, again: boolean, timer: number }>}
 */
const requests = new Map();

/** The HTML of each section as the server last sent it, by the section's id. @type {Map<string, string>} */
const received = new Map();

/**
 * Fetch a section now, or once more after the request that is running; and again after LONGEST_PAUSE.
 * @param {string} id of the section
 */
function update(id) {
  const request = requests.get(id) ?? { running: false, again: false, timer: 0 };
  requests.set(id, request);
  if (request.running) {
    request.again = true;
    return;
  }
  request.running = true;
  clearTimeout(request.timer);
  const began = performance.now();
  fetchSection(id)
    .catch(() => undefined) // once the server is back, the stream opens again and every section is updated
    .then(() => {
      setTimeout(
        () => {
          request.running = false;
          if (request.again) {
            request.again = false;
            update(id);
          } else {
            request.timer = setTimeout(update, LONGEST_PAUSE, id);
          }
        },
        Math.max(0, LEAST_PAUSE - (performance.now() - began)),
      );
    });
}

/**
 * Fetch a section and put it in the place of the one that is shown, if it differs. What is open or focused stays so.
 *
 * While somebody uses the section it is left as it is, and fetched later. A browser that is no longer let in (401)
 * loads the whole page, which says so. Rejects when the server can't be reached.
 * @param {string} id of the section
 */
async function fetchSection(id) {
  const url = document.getElementById(id)?.dataset.live;
  if (!url || document.hidden) return;
  const answer = await fetch(url, { headers: { Accept: 'text/html' } });
  if (answer.status === 401) {
    location.reload();
    return;
  }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById(id);
  const shown = document.getElementById(id);
  if (!fresh || !shown || fresh.outerHTML === received.get(id)) return;
  if (pointerIsDown) {
    setTimeout(update, LEAST_PAUSE, id);
    return;
  }
  if (isBeingUsed(shown)) {
    shown.addEventListener('focusout', () => setTimeout(update, LEAST_PAUSE, id), { once: true });
    return;
  }
  received.set(id, fresh.outerHTML);
  const openIds = new Set([...shown.querySelectorAll('details[open][id]')].map((each) => each.id));
  const focusedId = shown.contains(document.activeElement) ? document.activeElement?.id : '';
  shown.replaceWith(fresh);
  for (const each of fresh.querySelectorAll('details[id]')) {
    if (openIds.has(each.id)) each.setAttribute('open', '');
  }
  if (focusedId) document.getElementById(focusedId)?.focus({ preventScroll: true });
}

// A button that is replaced between pointerdown and pointerup gets no click.
let pointerIsDown = false;
addEventListener('pointerdown', () => {
  pointerIsDown = true;
});
for (const end of ['pointerup', 'pointercancel']) {
  addEventListener(end, () => {
    pointerIsDown = false;
  });
}

/**
 * Whether the focus is on a field of this section, or on a button in its open <details>: somebody types or chooses.
 * @param {HTMLElement} section
 */
function isBeingUsed(section) {
  const active = document.activeElement;
  return section.contains(active) && active?.matches('input, textarea, select, details button');
}

/** All sections of the page that update by themselves. */
function sections() {
  return /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-live][id]')]);
}

/** The events of a section's data-on. @param {HTMLElement} section */
function eventsOf(section) {
  return (section.dataset.on ?? '').split(' ').filter(Boolean);
}

/** The open stream of events; null while the page does not listen. @type {EventSource | null} */
let stream = null;

/**
 * Open the stream of events if the page is visible and has one (data-events of the body), and close it if not.
 *
 * A hidden page does not listen: a browser allows six connections to one server, and a phone's battery is small.
 */
function listen() {
  const url = document.body.dataset.events;
  if (!url || document.hidden) {
    stream?.close();
    stream = null;
    return;
  }
  if (stream) return;
  stream = new EventSource(url);
  stream.addEventListener('open', () => {
    for (const each of sections()) update(each.id);
  });
  const names = new Set(sections().flatMap(eventsOf));
  for (const name of names) {
    stream.addEventListener(name, () => {
      for (const each of sections()) if (eventsOf(each).includes(name)) update(each.id);
    });
  }
}

for (const each of sections()) received.set(each.id, each.outerHTML);
document.addEventListener('visibilitychange', listen);
// pageshow and pagehide also tell of a page that the browser keeps while another one is shown (back and forward).
addEventListener('pageshow', listen);
addEventListener('pagehide', () => {
  stream?.close();
  stream = null;
});

// A form whose button is pressed twice is sent once, until the page is shown again.
document.addEventListener('submit', (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.method !== 'post') return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = 'yes';
});
addEventListener('pageshow', () => {
  for (const each of document.querySelectorAll('form[data-sent]')) each.removeAttribute('data-sent');
});
