// Records tests/transcripts/first-scan.jsonl and sweep.jsonl from the real child against the stand-in, with times,
// pids and versions replaced by fixed ones. Run by hand when the protocol changes: node test/record-transcripts.js
import { writeFileSync } from 'node:fs';
import { startStandin } from '../standin/server.js';
import { startChild, temporaryProfile } from './support/child.js';

const FOLDER = new URL('../../tests/transcripts/', import.meta.url);
const T = 1795400000;
const VERSIONS = {
  listener: '0.1.0',
  whatsapp_web_js: '1.34.7',
  puppeteer: '24.38.0',
  browser: 'Chromium 156.0.8078.79',
  node: '20.20.2',
};

/**
 * @param {string} name
 * @param {import('./support/child.js').Line[]} lines
 */
function write(name, lines) {
  const kept = lines.filter((line) => !['heartbeat', 'state', 'contract', 'page'].includes(line.type));
  const text = kept.map((line, index) => {
    const at = (T + 2000) * 1000 + index * 100;
    /** @type {import('./support/child.js').Line} */
    const same = { ...line, seq: index + 1, at };
    if (line.type === 'hello') Object.assign(same, { pid: 4242, versions: VERSIONS });
    if (line.type === 'browser_started') Object.assign(same, { pid: 4250, version: 'Chrome/156.0.8078.79' });
    if (line.type === 'qr') same.qr = '2@AbCd,Ef==,Gh==,Ij==,1';
    if (line.type === 'sweep_done') same.started_at = at - 50;
    if (line.data) same.data = { ...line.data, clientReceivedTsMillis: at, rowId: index + 1 };
    if (line.type === 'reaction') same.t = T + 300;
    if (line.type === 'call') Object.assign(same, { t: T + 310, call_id: 'C0FFEE' });
    return JSON.stringify(same);
  });
  writeFileSync(new URL(name, FOLDER), `${text.join('\n')}\n`);
}

const standin = await startStandin({ keyShape: 'dollar', version: '2.3000.1' });
const profile = await temporaryProfile();
const ana = { from: '5491155550001', notifyName: 'Ana' };
try {
  const child = await startChild(profile.path, standin.browserArgs);
  await child.line('qr');
  await standin.act('scan', { phone: '5491155550100', name: 'Tienda' });
  await child.line('ready');
  /**
   * @param {string} action
   * @param {Record<string, unknown>} body
   * @param {string} type
   */
  const happens = async (action, body, type) => {
    const after = child.lines.length;
    await standin.act(action, body);
    await child.line(type, { after });
  };
  await happens('deliver', { ...ana, id: '3EB0A1', body: 'Hola, precio del combo?', t: T + 100 }, 'message');
  await happens(
    'own',
    { id: '3EB0A2', to: '5491155550001', body: 'Hola Ana! $ 25.000', t: T + 160 },
    'message',
  );
  await happens(
    'edit',
    { id: '3EB0A1', body: 'Hola, precio del combo 2?', at: (T + 170) * 1000 },
    'message_edit',
  );
  await happens('react', { id: '3EB0A2', emoji: '👍', t: T + 300 }, 'reaction');
  await happens('ciphertext', { from: '5491155550002', id: '3EB0A3', t: T + 200 }, 'ciphertext');
  await happens('decrypt', { id: '3EB0A3', body: 'ahora sí' }, 'message');
  await happens('revoke', { id: '3EB0A3' }, 'message_revoke');
  await happens('call', { from: '5491155550001', log: false }, 'call');
  child.send({ type: 'stop' });
  await child.exit;
  write('first-scan.jsonl', child.lines);

  for (let n = 1; n <= 3; n += 1) {
    const body = ['¿Hacen envíos?', '¿Y cuotas?', 'Sigo acá'][n - 1];
    await standin.act('deliver', { ...ana, id: `3EB0B${n}`, body, t: T + 1000 + n * 60 });
  }
  await standin.act('own', { id: '3EB0C1', to: '5491155550002', body: 'Te paso la lista', t: T + 1100 });
  await standin.act('ciphertext', { from: '5491155550003', id: '3EB0C2', t: T + 1200 });
  // As with a thousand messages or more: all of it is stored before hasSynced, so that only a sweep brings it.
  await standin.act('ways', { resume: 'blocking' });
  const later = await startChild(profile.path, standin.browserArgs);
  await later.line('ready');
  later.send({ type: 'sweep', sweep: 1, from: T + 900, chats: {}, ignore: [] });
  await later.line('sweep_done');
  later.send({ type: 'stop' });
  await later.exit;
  write('sweep.jsonl', later.lines);
} finally {
  await standin.close();
  await profile.remove();
}
