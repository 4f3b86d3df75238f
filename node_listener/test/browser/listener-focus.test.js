// Nobody looks at the page, and it knows: in each browser, from its first script on, in later documents and in frames.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import puppeteer from 'puppeteer';
import { takeFocusAway } from '../../src/page/focus.js';
import { startStandin } from '../../standin/server.js';
import { bothBrowsers, launchOptions } from '../support/browser.js';
import { listening } from '../support/listening.js';
import { until } from '../support/waiting.js';

const SHOP = { phone: '5491155550100', name: 'Tienda' };

for (const browser of bothBrowsers())
  describe(basename(browser), () => {
    test('the page is never told that it has the focus, and announces nobody', async (context) => {
      const { standin, start } = await listening(context, { ways: { side: 'page', focus: 'document' } });
      const child = await start({ browser });
      await child.line('qr');
      await standin.act('scan', SHOP);
      await child.line('ready');
      await standin.act('reload');
      await child.line('ready', { after: child.lines.length });
      const said = () => standin.state().presence.map((each) => /** @type {any} */ (each));
      await until(() => said().filter((each) => each.function === 'connect').length >= 2);
      assert.deepEqual(
        said().filter((each) => each.available),
        [],
      );
      assert.deepEqual(child.ofType('outbound_blocked'), [], 'nothing of it had to be refused');
    });

    test('no document and no frame has the focus, before its first script', async (context) => {
      const standin = await startStandin({ ways: 'page' });
      const opened = await puppeteer.launch(launchOptions(standin.browserArgs, browser));
      context.after(async () => {
        await opened.close();
        await standin.close();
      });
      const [page] = await opened.pages();
      await page.evaluateOnNewDocument(takeFocusAway);
      await page.evaluateOnNewDocument(listenForFocus);
      for (const load of [() => page.goto('https://web.whatsapp.com/'), () => page.reload()]) {
        await load();
        await page.bringToFront();
        await page.evaluate(makeFrames);
        const { focuses } = await page.evaluate(() => {
          window.focus();
          return { focuses: [.../** @type {any} */ (window).focuses, document.hasFocus()] };
        });
        assert.ok(focuses.length >= 6, 'the page, three frames, one of them twice, and the page again');
        assert.deepEqual(
          focuses.filter((each) => each !== false),
          [],
        );
      }
      assert.equal(await page.evaluate(() => document.visibilityState), 'visible', 'no timer is slowed down');
    });
  });

/** What a script sees at its start goes to the page's `focuses`, and so does each event of the window. */
function listenForFocus() {
  const top = /** @type {any} */ (window.top);
  top.focuses ??= [];
  top.focuses.push(document.hasFocus());
  for (const type of ['focus', 'blur']) window.addEventListener(type, () => top.focuses.push(type));
  window.onfocus = () => top.focuses.push('onfocus');
}

/** In the page: a frame whose document is there at once, one that is written into, and one that loads. */
async function makeFrames() {
  const blob = URL.createObjectURL(new Blob(['<p>'], { type: 'text/html' }));
  const frames = ['about:blank', '', blob].map((address) => {
    const frame = document.createElement('iframe');
    if (address) frame.src = address;
    else frame.srcdoc = '<p>';
    const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
    document.body.append(frame);
    return loaded;
  });
  const [first] = document.querySelectorAll('iframe');
  const { contentWindow } = /** @type {HTMLIFrameElement} */ (first);
  /** @type {any} */ (window).focuses.push(/** @type {Window} */ (contentWindow).document.hasFocus());
  contentWindow?.focus();
  await Promise.all(frames);
}
