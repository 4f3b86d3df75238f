// The canary: what a new build of WhatsApp Web has moved of what we rely on, told from a saved copy of its modules before
// an account runs it. Nothing of the copy is run.
//     make canary ARGS=FOLDER      or: node canary/main.js [--json] FOLDER
import { canary } from './command.js';

process.exitCode = canary(process.argv.slice(2), process.stdout, process.stderr);
