// Which button of a dialog may be clicked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchOptions } from '../src/browser.js';
import { buttonToClick, dialogName, isPasskeyCheck } from '../src/dialogs.js';
import { readOptions } from '../src/options.js';

/** @type {[string, string[], number][]} heading, buttons, the place of the one to click */
const DIALOGS = [
  ["What's new on WhatsApp Web", ['Continue'], 0],
  ["What's new on WhatsApp Web", ['', 'Learn more', 'Continue'], 2],
  ['A fresh look', ['OK'], 0],
  ['Send photos in HD', ['Got it!'], 0],
  ['Novedades de WhatsApp Web', ['Más información', ' Entendido '], 1],
  ['Novedades', ['Continuar'], 0],
  ['Novedades', ['Aceptar'], 0],
  ['Log out?', ['Cancel', 'Log out'], -1],
  ['Log out?', ['OK'], -1],
  ['Delete this chat?', ['Cancel', 'OK'], -1],
  ['Delete this chat?', ['Continue'], -1],
  ['¿Eliminar este chat?', ['Aceptar'], -1],
  ['Are you sure?', ['No', 'Continue'], -1],
  ['Turn on notifications', ['Not now', 'Continue'], -1],
  ['WhatsApp is open in another window', ['Close', 'Use here'], -1],
  ['WhatsApp is open in another window', ['OK', 'Use here'], -1],
  ['Llamada entrante', ['Rechazar', 'Aceptar'], -1],
  ['1 photo', ['Send', 'OK'], -1],
  ['Two ways', ['OK', 'Continue'], -1],
  ['Terms', ['I agree'], -1],
  ['Nothing to click', [], -1],
];

for (const [heading, buttons, place] of DIALOGS) {
  const what = place < 0 ? 'is left alone' : `is acknowledged by "${buttons[place].trim()}"`;
  test(`"${heading}" with [${buttons.join(', ')}] ${what}`, () => {
    assert.equal(buttonToClick({ heading, buttons, writes: false }), place);
    assert.equal(
      buttonToClick({ heading, buttons, writes: true }),
      -1,
      'a dialog with a text field is left alone',
    );
  });
}

test('the browser runs in English, so that the words are known', () => {
  const options = readOptions('{"profile":"/p","browser":"/b"}');
  assert.ok(launchOptions(options, null).args.includes('--lang=en-US'));
});

test('a full disk is told by its words or by its event, a passkey check by its words', () => {
  const text = 'Your computer does not have enough space for WhatsApp to run. Please create more storage';
  assert.equal(dialogName(text, new Set()), 'disk_full');
  assert.equal(dialogName('Tu computadora no tiene espacio', new Set(['disk_full'])), 'disk_full');
  assert.equal(dialogName('Log out?', new Set(['temporary_ban'])), null);
  assert.equal(isPasskeyCheck('Quick security check with Passkey You can continue'), true);
  assert.equal(isPasskeyCheck("What's new: passkeys"), false);
});
