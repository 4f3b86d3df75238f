// The screens that the page shows instead of its chats. Unlike its dialogs they have no role (WAWebAppScreen, 2026-04-27),
// and their words are the only sign of them in the document.

/** Words and buttons of each, the most important first. */
const SCREENS = {
  temp_ban: [
    "You're temporarily banned from WhatsApp because you may have violated our terms of service.",
    'Log out',
    'Learn more',
  ],
  unavailable: ['Service unavailable'],
  logout: ['Logging out'],
  locked: ['App lock is on. Enter your password to use WhatsApp.', 'Unlock', 'Log out'],
  offline: ['Computer not connected'],
};

/** Those set by the page itself and those forced by a test, apart. */
const shown = new Set();
const forced = new Set();

export function setScreen(name, on, by = shown) {
  if (on) by.add(name);
  else by.delete(name);
  draw(Object.keys(SCREENS).find((each) => shown.has(each) || forced.has(each)));
}

export const forceScreen = (name, on) => setScreen(name, on, forced);

function draw(name) {
  const before = document.getElementById('screen');
  if (before?.dataset.name === name) return;
  before?.remove();
  document.getElementById('main').hidden = name !== undefined;
  if (name === undefined) return;
  const [words, ...buttons] = SCREENS[name];
  const screen = document.createElement('div');
  screen.id = 'screen';
  screen.dataset.name = name;
  const text = document.createElement('div');
  text.textContent = words;
  screen.append(text);
  for (const label of buttons) {
    const button = document.createElement('button');
    button.textContent = label;
    screen.append(button);
  }
  document.getElementById('app').append(screen);
}
