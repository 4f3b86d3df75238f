// Every argument that the browser is started with: what it is for, where it is defined, and what it costs. docs/browser.md
// shows these tables (test/support/draw-flags.js), and a test holds the two together.

/**
 * @typedef {object} Flag
 * @property {string} flag
 * @property {string} why what it is for
 * @property {string} source the file of Chromium's source that defines it
 * @property {string} costs what is given up for it
 * @property {boolean} [blind] given only to a browser without a window: a person in front of one may need what it takes away
 */

/** @type {Flag[]} */
export const FLAGS = [
  {
    flag: '--disable-gpu',
    why: 'no graphics card is looked for',
    source: 'gpu/config/gpu_switches.cc',
    costs: 'nothing: the processor draws the page',
  },
  {
    flag: '--disable-software-rasterizer',
    why: 'no WebGL in software (SwiftShader) in its place',
    source: 'gpu/config/gpu_switches.cc',
    costs: 'WebGL, which receiving does not need',
  },
  {
    flag: '--disable-dev-shm-usage',
    why: 'a container gives /dev/shm 64 MB, and a full one crashes the page',
    source: 'base/base_switches.cc',
    costs: 'shared memory lies in files below TMPDIR',
  },
  {
    flag: '--disk-cache-size=67108864',
    why: 'scripts and styles of the page take at most 64 MB of disk',
    source: 'components/network_session_configurator/common/network_switch_list.h',
    costs: 'after an update of the page more is fetched again',
  },
  {
    flag: '--media-cache-size=1048576',
    why: 'nothing is played, so nothing of it is kept',
    source: 'chrome/common/chrome_switches.cc',
    costs: 'nothing',
  },
  {
    flag: '--lang=en-US',
    why: 'dialogs.js and screens.js match texts of the page',
    source: 'ui/base/ui_base_switches.cc',
    costs: 'nothing: nobody reads it',
  },
  {
    flag: '--disable-remote-fonts',
    why: 'no fonts are fetched and kept in memory',
    source: 'content/public/common/content_switches.cc',
    costs: 'text is drawn in the fonts of the machine',
    blind: true,
  },
  {
    flag: '--force-prefers-reduced-motion',
    why: 'a page that heeds it animates nothing, and saves processor time',
    source: 'ui/gfx/switches.cc',
    costs: 'nothing',
    blind: true,
  },
  {
    flag: '--enable-features=NetworkServiceInProcess2',
    why: 'one process less: the network service runs in the browser itself, which saves some 14 MB of 20',
    source: 'content/public/common/content_features.cc',
    costs:
      'if it crashes, so does the browser, and the daemon starts that again. It has no sandbox to lose: on Linux it runs without one either way',
  },
  {
    flag: '--disable-features=SpareRendererForSitePerProcess,BackForwardCache',
    why: 'no second renderer waits for a page that never comes, and no page that was left is kept alive',
    source: 'content/public/common/content_features.cc, content/common/features.cc',
    costs: 'going to another site would take longer; the page never does',
  },
];

/** Arguments that puppeteer adds by itself and that capture relies on: a test fails when one is missing. */
export const OF_PUPPETEER = [
  {
    flag: '--disable-background-timer-throttling',
    why: 'the timers of the page, and our heartbeat among them, run on time though nobody looks',
  },
  {
    flag: '--disable-backgrounding-occluded-windows',
    why: 'a page that is covered counts as visible',
  },
  { flag: '--disable-renderer-backgrounding', why: "the page's process keeps its priority" },
  {
    flag: '--disable-hang-monitor',
    why: 'a page that is busy with a long sweep is not ended by the browser; the daemon judges it',
  },
  { flag: '--disable-extensions', why: 'nothing else runs in the page' },
  {
    flag: '--disable-background-networking',
    why: 'no requests but those of the page, and no memory for them',
  },
  { flag: '--mute-audio', why: 'a call that rings makes no sound' },
];

/** Arguments that save memory and are not used, each with the reason. */
export const NOT_TAKEN = [
  {
    flag: '--blink-settings=imagesEnabled=false',
    why: 'an image then neither loads nor fails (seen in 150, data: and blob: too), so code of the page that waits for one waits for ever',
  },
  {
    flag: '--in-process-gpu',
    why: 'saves some 6 MB, and takes what draws the page out of its own sandbox',
  },
  { flag: '--enable-low-end-device-mode', why: 'saves some 2 MB, and changes much at once' },
  {
    flag: '--single-process',
    why: 'has no sandbox, is not supported, and one crash takes everything',
  },
  { flag: '--no-zygote', why: 'needs --no-sandbox' },
  { flag: '--js-flags=--lite-mode', why: "makes the page's own code slower" },
];

/** The arguments of FLAGS for a browser without a window, or for one with it. @param {boolean} headless */
export const flagsFor = (headless) => FLAGS.filter(({ blind }) => headless || !blind).map(({ flag }) => flag);
