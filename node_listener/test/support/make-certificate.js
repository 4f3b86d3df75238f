// Prints a certificate with its key, for STANDIN_CERTIFICATE (standin/certificate.js).
import { makeCertificate } from '../../standin/certificate.js';

const { cert, key } = await makeCertificate();
process.stdout.write(`${cert}\n${key}\n`);
