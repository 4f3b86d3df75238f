// The certificate that the stand-in shows as web.whatsapp.com. A new one at each start, so no key is ever on disk, unless
// STANDIN_CERTIFICATE names a file: the stand-ins of a test run share one, which costs a process 0.15 s less.

import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** @typedef {{key: string, cert: string, spki: string}} Certificate PEM texts, and the base64 SHA-256 of the public key,
 *   which is the form Chromium's --ignore-certificate-errors-spki-list takes
 */

/** @returns {Promise<Certificate>} that of STANDIN_CERTIFICATE, or a new one */
export async function ownCertificate() {
  const file = process.env.STANDIN_CERTIFICATE;
  if (!file) return await makeCertificate();
  const both = await readFile(file, 'utf8');
  return { key: both, cert: both, spki: fingerprint(both) };
}

/** @returns {Promise<Certificate>} a new one */
export async function makeCertificate() {
  const { generate } = await import('selfsigned');
  const host = 'web.whatsapp.com';
  const pems = await generate([{ name: 'commonName', value: host }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + 30 * 24 * 3600 * 1000),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: host }] },
    ],
  });
  return { key: pems.private, cert: pems.cert, spki: fingerprint(pems.cert) };
}

/** @param {string} cert */
function fingerprint(cert) {
  const publicKey = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(publicKey).digest('base64');
}
