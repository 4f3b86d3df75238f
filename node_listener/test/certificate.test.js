// The certificate of a stand-in: its own, or one that a test run shares.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ownCertificate } from '../standin/certificate.js';

const MAKE = fileURLToPath(new URL('support/make-certificate.js', import.meta.url));

/** @param {import('node:test').TestContext} context @param {string | null} file */
function named(context, file) {
  const before = process.env.STANDIN_CERTIFICATE;
  if (file === null) delete process.env.STANDIN_CERTIFICATE;
  else process.env.STANDIN_CERTIFICATE = file;
  context.after(() => {
    if (before === undefined) delete process.env.STANDIN_CERTIFICATE;
    else process.env.STANDIN_CERTIFICATE = before;
  });
}

test('without a file each start has a certificate and a key of its own', async (context) => {
  named(context, null);
  const [one, two] = [await ownCertificate(), await ownCertificate()];
  assert.notEqual(one.spki, two.spki);
  const read = new X509Certificate(one.cert);
  assert.equal(read.subjectAltName, 'DNS:web.whatsapp.com');
  assert.ok(read.checkPrivateKey(createPrivateKey(one.key)));
});

test('a file with both is shown by all, under the fingerprint of its key', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'lm-certificate-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'both.pem');
  writeFileSync(file, spawnSync(process.execPath, [MAKE], { encoding: 'utf8' }).stdout);
  named(context, file);
  const [one, two] = [await ownCertificate(), await ownCertificate()];
  assert.deepEqual(one, two);
  assert.ok(new X509Certificate(one.cert).checkPrivateKey(createPrivateKey(one.key)));
  assert.match(one.spki, /^[\w+/]{43}=$/);
});
