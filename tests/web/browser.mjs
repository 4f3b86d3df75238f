// Drives the real Chromium for tests: a JSON line in is a command, a JSON line out its answer. See browser.py.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../../node_listener/package.json', import.meta.url));
const puppeteer = require('puppeteer');

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const LIMIT = 60_000;

const browser = await puppeteer.launch({
  executablePath: process.argv[2],
  headless: true,
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
});
/** Pages by number, each with the violations of its policy and the errors of its scripts. */
const pages = new Map();

/**
 * A section that changes by itself may be another one between the look and the press: then once more. The press may also
 * land beside it, on what has moved there.
 */
async function click(page, selector) {
  for (let tries = 0; ; tries++) {
    await page.waitForSelector(selector);
    try {
      if (page.isJavaScriptEnabled()) await page.evaluate(watchForPress, selector);
      await page.click(selector);
      const missed = await page.evaluate(() => globalThis.pressLanded === false).catch(() => false); // it has left the page
      if (!missed || tries === 20) return;
    } catch (error) {
      if (tries === 20 || !/detached|not clickable|No element/.test(String(error))) throw error;
    }
  }
}

/** Runs in the page: notes whether the next press lands within what was meant. */
function watchForPress(selector) {
  globalThis.pressLanded = false;
  const noted = (event) => {
    globalThis.pressLanded ||= event.target.closest(selector) !== null;
  };
  addEventListener('click', noted, { capture: true, once: true });
}

const commands = {
  async page({ width, height, dark, cookies, script }) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(LIMIT);
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
    await page.setJavaScriptEnabled(script);
    const seen = { page, violations: [], errors: [] };
    await page.exposeFunction('violated', (what) => seen.violations.push(what));
    await page.evaluateOnNewDocument(() => {
      addEventListener('securitypolicyviolation', (event) => {
        globalThis.violated(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`);
      });
    });
    page.on('pageerror', (error) => seen.errors.push(String(error)));
    if (cookies.length) await context.setCookie(...cookies);
    pages.set(pages.size + 1, seen);
    return pages.size;
  },
  async goto({ page, url }) {
    const answer = await page.goto(url, { waitUntil: 'load' });
    return answer?.status() ?? 0;
  },
  evaluate: ({ page, code, values }) => page.evaluate(`(${code})(...${JSON.stringify(values)})`),
  async until({ page, code, values }) {
    // waitForFunction would evaluate text in the page, which its policy forbids.
    const deadline = Date.now() + LIMIT;
    for (;;) {
      const answer = await page.evaluate(`(${code})(...${JSON.stringify(values)})`).catch(() => undefined);
      if (answer) return answer;
      if (Date.now() > deadline) throw new Error(`waited in vain for ${code}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  async click({ page, selector }) {
    await click(page, selector);
  },
  async follow({ page, selector }) {
    await page.waitForSelector(selector);
    await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), click(page, selector)]);
  },
  async type({ page, selector, text }) {
    await page.type(selector, text);
  },
  async press({ page, key }) {
    await page.keyboard.press(key);
  },
  async screenshot({ page, path }) {
    await page.screenshot({ path, fullPage: true });
  },
  async axe({ page }) {
    await page.evaluate(AXE);
    const found = await page.evaluate('axe.run(document, { resultTypes: ["violations"] })');
    return found.violations.map((each) => `${each.id}: ${each.help}: ${each.nodes.map((node) => node.html).join(' | ')}`);
  },
  async wrong({ seen }) {
    return [...seen.violations, ...seen.errors];
  },
  async close({ page }) {
    await page.browserContext().close();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, number, ...values } = JSON.parse(line);
  let answer;
  try {
    const seen = pages.get(number);
    answer = { value: (await commands[command]({ ...values, page: seen?.page, seen })) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
