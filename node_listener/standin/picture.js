// A picture of the operator's page, for the demo: `node picture.js BROWSER LINK FILE`, a png or webp. It comes in by the link, as
// a person does: it opens it and taps the button.

import puppeteer from 'puppeteer';

const PHONE = { width: 400, height: 860, deviceScaleFactor: 2 };

const [executablePath, link, file] = process.argv.slice(2);
if (!executablePath || !link || !file) throw new Error('usage: node picture.js BROWSER LINK FILE');
const browser = await puppeteer.launch({
  executablePath,
  headless: true,
  args: ['--disable-gpu', '--disable-dev-shm-usage', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
});
try {
  const page = await browser.newPage();
  await page.setViewport(PHONE);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
  await page.goto(link);
  await Promise.all([page.waitForNavigation(), page.click('form button')]);
  const quality = file.endsWith('.webp') ? { quality: 80 } : {};
  await page.screenshot({
    path: /** @type {`${string}.png`} */ (file),
    captureBeyondViewport: false,
    ...quality,
  });
} finally {
  await browser.close();
}
