// Loaded into the child before its own code: a dependency that prints wherever it can.
import wwebjs from 'whatsapp-web.js';

const { initialize } = wwebjs.Client.prototype;
wwebjs.Client.prototype.initialize = function initializeLoudly() {
  console.log('noise by console.log');
  process.stdout.write('noise by stdout.write\n');
  console.info('noise by console.info');
  return initialize.call(this);
};
