import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { notLoaded, refreshQr } from '../src/page/edges.js';

const page = /** @type {any} */ (globalThis);
afterEach(() => {
  delete page.require;
  delete page.leadmasterd;
});

/** @param {Record<string, any>} modules */
function withModules(modules) {
  page.require = (/** @type {string} */ name) => {
    if (!Object.hasOwn(modules, name)) throw new Error(`Requiring unknown module "${name}"`);
    return modules[name];
  };
  page.leadmasterd = { requireOriginal: page.require, document: 'D' };
}
const config = { namespace: 'leadmasterd' };
const nothing = () => {};

test('new QR codes are asked for in the way this build has, each time another one first', () => {
  const newer = {
    WAWebLaunchSocketUtils: { refreshQR: nothing },
    WAWebBackendEventBus: { BackendEventBus: { triggerRefreshQR: nothing } },
    WAWebCmd: { Cmd: {} },
  };
  withModules(newer);
  assert.equal(refreshQr(0), 'WAWebLaunchSocketUtils');
  assert.equal(refreshQr(1), 'WAWebBackendEventBus');
  assert.equal(refreshQr(2), 'WAWebLaunchSocketUtils');
  withModules({ WAWebCmd: { Cmd: { refreshQR: nothing } } });
  assert.equal(refreshQr(0), 'WAWebCmd');
  withModules({});
  assert.equal(refreshQr(0), null);
});

test('a module that throws or is empty is not loaded, and neither is any before the page has a require', () => {
  withModules({ A: {}, B: undefined });
  assert.deepEqual(notLoaded(config, ['A', 'B', 'C']), { document: 'D', missing: ['B', 'C'] });
  delete page.leadmasterd;
  assert.deepEqual(notLoaded(config, ['A']), { document: null, missing: ['A'] });
});
