// The certificate that the stand-in shows as web.whatsapp.com. A new one at each start, so no key is ever on disk.

import { createHash, X509Certificate } from 'node:crypto';
import { generate } from 'selfsigned';

/**
 * @returns {Promise<{key: string, cert: string, spki: string}>} PEM texts, and the base64 SHA-256 of the public key,
 *   which is the form Chromium's --ignore-certificate-errors-spki-list takes
 */
export async function makeCertificate() {
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
  const publicKey = new X509Certificate(pems.cert).publicKey.export({ type: 'spki', format: 'der' });
  return {
    key: pems.private,
    cert: pems.cert,
    spki: createHash('sha256').update(publicKey).digest('base64'),
  };
}
