// Sections marked data-live change by themselves: the server says what has changed, and the section is fetched again.
// Without this script every page reads and acts all the same.

const LEAST_PAUSE = 250; // between two looks at one section, in milliseconds, however often the server calls
const LONGEST_PAUSE = 60_000; // times that are shown grow old by themselves

/** @type {Map<string, { running: boolean, again: boolean, timer: number }>} */
const looks = new Map();

/** Each section as the server wrote it last, by its id. @type {Map<string, string>} */
const written = new Map();

/** @param {string} id */
function look(id) {
  const known = looks.get(id) ?? { running: false, again: false, timer: 0 };
  looks.set(id, known);
  if (known.running) {
    known.again = true;
    return;
  }
  known.running = true;
  clearTimeout(known.timer);
  const began = performance.now();
  fetchSection(id)
    .catch(() => undefined) // the stream says when the server is back
    .then(() => {
      setTimeout(
        () => {
          known.running = false;
          if (known.again) {
            known.again = false;
            look(id);
          } else {
            known.timer = setTimeout(look, LONGEST_PAUSE, id);
          }
        },
        Math.max(0, LEAST_PAUSE - (performance.now() - began)),
      );
    });
}

/** @param {string} id */
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
  if (!fresh || !shown || fresh.outerHTML === written.get(id)) return;
  if (pressed) {
    setTimeout(look, LEAST_PAUSE, id);
    return;
  }
  if (isBeingUsed(shown)) {
    shown.addEventListener('focusout', () => setTimeout(look, LEAST_PAUSE, id), { once: true });
    return;
  }
  written.set(id, fresh.outerHTML);
  const open = new Set([...shown.querySelectorAll('details[open][id]')].map((each) => each.id));
  const focus = shown.contains(document.activeElement) ? document.activeElement?.id : '';
  shown.replaceWith(fresh);
  for (const each of fresh.querySelectorAll('details[id]')) {
    if (open.has(each.id)) each.setAttribute('open', '');
  }
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

// What is replaced between a finger's touch and its lifting would not be pressed.
let pressed = false;
addEventListener('pointerdown', () => {
  pressed = true;
});
for (const end of ['pointerup', 'pointercancel']) {
  addEventListener(end, () => {
    pressed = false;
  });
}

/** Whether somebody types or chooses there: then it stays until they are done. @param {HTMLElement} section */
function isBeingUsed(section) {
  const active = document.activeElement;
  return section.contains(active) && active?.matches('input, textarea, select, details button');
}

function sections() {
  return /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-live][id]')]);
}

/** @type {EventSource | null} */
let stream = null;

// A hidden page listens to nothing: a browser allows six connections to one server, and a phone's battery is small.
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
    for (const each of sections()) look(each.id);
  });
  const names = new Set(sections().flatMap((each) => (each.dataset.on ?? '').split(' ').filter(Boolean)));
  for (const name of names) {
    stream.addEventListener(name, () => {
      for (const each of sections()) if ((each.dataset.on ?? '').split(' ').includes(name)) look(each.id);
    });
  }
}

for (const each of sections()) written.set(each.id, each.outerHTML);
document.addEventListener('visibilitychange', listen);
// A page that comes back from the history, and one that is left.
addEventListener('pageshow', listen);
addEventListener('pagehide', () => {
  stream?.close();
  stream = null;
});

// Pressed twice is meant once.
document.addEventListener('submit', (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.method !== 'post') return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = 'yes';
});
addEventListener('pageshow', () => {
  for (const each of document.querySelectorAll('form[data-sent]')) each.removeAttribute('data-sent');
});
