// Live messages through the real child, the real library and a real browser against the stand-in, in every shape of ids.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startStandin } from '../../standin/server.js';
import { startChild, temporaryProfile } from '../support/child.js';
import { until } from '../support/waiting.js';

const SHOP = '5491155550100@c.us';
const ANA = '5491155550001@c.us';

/** @param {any} presence as the stand-in has it recorded */
const isUnavailable = (presence) => presence.available === false;

for (const shape of /** @type {const} */ (['serialized', 'dollar', 'unknown'])) {
  describe(`with ids in the ${shape} shape`, () => {
    /** @type {Awaited<ReturnType<typeof startStandin>>} */
    let standin;
    /** @type {import('../support/child.js').Child} */
    let child;
    /** @type {Awaited<ReturnType<typeof temporaryProfile>>} */
    let profile;

    before(async () => {
      standin = await startStandin({ keyShape: shape, widShape: shape });
      profile = await temporaryProfile();
      child = await startChild(profile.path, standin.browserArgs);
      await child.line('qr');
      await standin.act('scan', { phone: '5491155550100', name: 'Tienda', lid: '77000000000100' });
      await child.line('ready');
    });
    after(async () => {
      await child?.end();
      await standin?.close();
      await profile?.remove();
    });

    /**
     * Delivers, and waits for the line of the message with that id.
     * @param {string} id
     * @param {Record<string, unknown>} body
     * @param {string} [action]
     * @param {string} [type]
     */
    async function deliver(id, body, action = 'deliver', type = 'message') {
      const after = child.lines.length;
      await standin.act(action, { id, from: '5491155550001', ...body });
      return child.line((line) => line.type === type && line.id?.id === id, { after });
    }

    test('the way to ready: hello, browser, qr, authenticated, ready', async () => {
      const order = child.lines
        .map((line) => line.type)
        .filter((type) => !['state', 'heartbeat', 'contract', 'page'].includes(type));
      assert.deepEqual(order.slice(0, 5), ['hello', 'browser_started', 'qr', 'authenticated', 'ready']);
      const [hello, started] = child.lines;
      const qr = await child.line('qr');
      assert.equal(hello.seq, 1);
      assert.equal(hello.versions.whatsapp_web_js, '1.34.7');
      assert.match(hello.versions.browser, /^Chromium \d+\./);
      assert.equal(typeof started.pid, 'number');
      assert.match(started.version, /^Chrome\/\d+\./);
      assert.equal(qr.valid_seconds, 60);
      assert.match(qr.qr, /^2@[^,]+,[^,]+,[^,]+,[^,]+,1$/);
      const ready = await child.line('ready');
      assert.deepEqual(ready.account, {
        wid: SHOP,
        lid: '77000000000100@lid',
        push_name: 'Tienda',
        platform: 'android',
      });
      assert.equal(ready.fresh, true);
      await until(() => standin.state().presence.some(isUnavailable));
    });

    test('a text, with the sender and the raw record', async () => {
      const line = await deliver('T1', { body: 'Hola, precio?', notifyName: 'Ana', t: 1795400219 });
      assert.deepEqual(line.id, { fromMe: false, remote: ANA, id: 'T1', participant: null });
      assert.equal(line.via, 'live');
      assert.equal(line.body, 'Hola, precio?');
      assert.equal(line.from, ANA);
      assert.equal(line.to, SHOP);
      assert.equal(line.t, 1795400219);
      assert.equal(line.notify_name, 'Ana');
      assert.equal(line.data.body, 'Hola, precio?');
      assert.deepEqual(line.contact, { saved_name: null, business: false, phone: ANA, lid: null });
    });

    test('a saved business contact known by a LID', async () => {
      await standin.act('contact', {
        phone: '5491155550007',
        lid: '99007',
        saved: 'Proveedor',
        business: true,
      });
      const line = await deliver('L1', { from: '99007@lid', body: 'Hola' });
      assert.equal(line.id.remote, '99007@lid');
      assert.deepEqual(line.contact, {
        saved_name: 'Proveedor',
        business: true,
        phone: '5491155550007@c.us',
        lid: '99007@lid',
      });
    });

    test('own messages from another device', async () => {
      const line = await deliver('O1', { to: '5491155550001', body: 'Sale 100', from: undefined }, 'own');
      assert.equal(line.id.fromMe, true);
      assert.equal(line.id.remote, ANA);
      assert.equal(line.from, SHOP);
      assert.equal(line.contact.phone, ANA);
    });

    test('media, locations, cards, orders, quotes, answers and ads keep their content', async () => {
      const image = await deliver('M1', {
        type: 'image',
        body: '/9j/4AAQSkZJRg',
        caption: '¿Tienen este?',
        mimetype: 'image/jpeg',
        directPath: '/v/t62.7118-24/x',
        mediaKey: 'a2V5',
        filehash: 'aGFzaA==',
        size: 54321,
        width: 800,
        height: 600,
      });
      assert.equal(image.body, '¿Tienen este?');
      assert.equal(image.media.mimetype, 'image/jpeg');
      assert.equal(image.media.size, 54321);
      assert.equal(image.data.body, undefined);
      const place = await deliver('M2', {
        type: 'location',
        lat: -34.6,
        lng: -58.4,
        loc: 'Local\nCABA',
        body: '/9j/',
      });
      assert.deepEqual(place.location, {
        latitude: -34.6,
        longitude: -58.4,
        name: 'Local',
        address: 'CABA',
        url: null,
      });
      const card = await deliver('M3', { type: 'vcard', body: 'BEGIN:VCARD\nFN:Beto' });
      assert.deepEqual(card.contact_cards, ['BEGIN:VCARD\nFN:Beto']);
      const order = await deliver('M4', { type: 'order', orderId: '77', orderTitle: 'Combo', itemCount: 2 });
      assert.equal(order.order.order_id, '77');
      const quoted = await deliver('M5', {
        body: 'este',
        quotedStanzaID: 'M1',
        quotedParticipant: ANA,
        quotedMsg: { type: 'chat', body: 'Tenemos combo' },
      });
      assert.deepEqual(quoted.quoted, {
        id: 'M1',
        participant: ANA,
        body: 'Tenemos combo',
        message_type: 'chat',
      });
      const reply = await deliver('M6', {
        type: 'list_response',
        body: 'Envíos',
        listResponse: { title: 'Envíos', singleSelectReply: { selectedRowId: 'r2' } },
      });
      assert.deepEqual(reply.reply, { kind: 'list', id: 'r2', text: 'Envíos' });
      const ad = await deliver('M7', {
        body: 'Vi el aviso',
        ctwaContext: { sourceUrl: 'https://fb.me/x', sourceId: '120', title: 'Oferta' },
      });
      assert.equal(ad.referral.source_id, '120');
    });

    test('an edit, a reaction and its removal, a revocation, a deletion', async () => {
      await deliver('E1', { body: 'precio' });
      const edit = await deliver('E1', { body: 'precio del combo?' }, 'edit', 'message_edit');
      assert.equal(edit.body, 'precio del combo?');
      assert.equal(typeof edit.edited_t, 'number');
      const reaction = await deliver(
        'E1',
        { emoji: '👍', from_me: true, from: undefined },
        'react',
        'reaction',
      );
      assert.equal(reaction.emoji, '👍');
      assert.equal(reaction.from_me, true);
      assert.equal(reaction.sender, SHOP);
      assert.equal(reaction.id.remote, ANA);
      const theirs = await deliver('E1', { emoji: '' }, 'react', 'reaction');
      assert.equal(theirs.emoji, '');
      assert.equal(theirs.from_me, false);
      assert.equal(theirs.sender, ANA);
      const revoked = await deliver('E1', {}, 'revoke', 'message_revoke');
      assert.equal(revoked.scope, 'everyone');
      await deliver('E2', { body: 'borrar' });
      const removed = await deliver('E2', { scope: 'me' }, 'revoke', 'message_revoke');
      assert.equal(removed.scope, 'me');
    });

    test('changes and calls under a LID name its phone, once the page knows it', async () => {
      const [phone, lid] = ['5491155550009@c.us', '99009@lid'];
      await deliver('U1', { from: '5491155550009', lid: '99009', unmapped: true, body: 'precio' });
      const contacts = async (/** @type {string} */ mark) => {
        const edit = await deliver('U1', { body: `precio ${mark}` }, 'edit', 'message_edit');
        const reaction = await deliver('U1', { emoji: '👍', from_me: true }, 'react', 'reaction');
        const after = child.lines.length;
        await standin.act('call', { from: lid });
        const call = await child.line('call', { after });
        assert.deepEqual([edit.id.remote, reaction.id.remote, call.chat], [lid, lid, lid]);
        return [edit.contact, reaction.contact, call.contact];
      };
      assert.deepEqual(await contacts('1'), [undefined, undefined, undefined]);
      await standin.act('contact', { phone: '5491155550009', lid: '99009' });
      assert.deepEqual(await contacts('2'), Array(3).fill({ phone, lid }));
      const revoked = await deliver('U1', {}, 'revoke', 'message_revoke');
      assert.deepEqual(revoked.contact, { phone, lid });
    });

    for (const value of ['two_sets', 'one_set']) {
      const name = `${value}: a ciphertext is reported at once, and again as a message once it is decrypted`;
      test(name, async (context) => {
        await standin.act('way', { name: 'decrypt', value });
        context.after(() => standin.act('way', { name: 'decrypt', value: 'two_sets' }));
        const id = `C-${value}`;
        const ciphertext = await deliver(id, {}, 'ciphertext', 'ciphertext');
        assert.equal(ciphertext.via, 'live');
        assert.equal(ciphertext.subtype, null);
        const after = child.lines.length;
        const line = await deliver(id, { body: 'ahora sí' }, 'decrypt');
        assert.equal(line.body, 'ahora sí');
        assert.equal(line.message_type, 'chat');
        const edits = child.lines.slice(after).filter((each) => each.type === 'message_edit');
        assert.deepEqual(edits, [], 'a placeholder that gets its text is no edit');
      });
    }

    test("a call is reported once, with our clock's time, and leaves its line in the chat", async () => {
      const after = child.lines.length;
      const now = Math.floor(Date.now() / 1000);
      const { call_id } = await standin.act('call', { from: '5491155550001', video: true });
      const call = await child.line('call', { after });
      const { v, seq, at, type, t, ...rest } = call;
      const said = { call_id, chat: ANA, outgoing: false, answered: false, video: true };
      const source = standin.state().ways.calls === 'native' ? 'active_call' : 'collection';
      assert.deepEqual(rest, { ...said, source });
      assert.ok(Math.abs(t - now) < 30);
      const log = await child.line((line) => line.type === 'message' && line.message_type === 'call_log', {
        after,
      });
      assert.equal(log.body, null);
      assert.deepEqual(log.call, { outcome: 'Missed', answered: false, video: true, seconds: 0 });
      assert.equal(child.lines.slice(after).filter((line) => line.type === 'call').length, 1);
    });

    test('status, channels, broadcasts, groups and system messages never reach the wire', async () => {
      const after = child.lines.length;
      await standin.act('deliver', {
        id: 'X1',
        from: 'status@broadcast',
        author: '5491155550001',
        body: 'estado',
      });
      await standin.act('deliver', { id: 'X2', from: '120363000000000009@newsletter', body: 'canal' });
      await standin.act('deliver', {
        id: 'X3',
        from: '120363000000000001@g.us',
        author: '5491155550001',
        body: 'grupo',
      });
      await standin.act('deliver', { id: 'X4', from: '5491155550001', type: 'e2e_notification', body: '' });
      await standin.act('react', { id: 'X3', emoji: '👍' });
      const last = await deliver('X9', { body: 'y esto sí' });
      const seen = child.lines.slice(after).filter((line) => line.id || line.chat);
      assert.deepEqual(seen, [last]);
    });

    test('a notice of a changed number is a line of its own', async () => {
      const after = child.lines.length;
      const [old, current] = ['5491155550001@c.us', '5491155550008@c.us'];
      await standin.act('deliver', {
        id: 'CHANGED',
        from: '5491155550001',
        type: 'notification_template',
        subtype: 'change_number',
        templateParams: [old, current],
      });
      const line = await child.line('number_change', { after });
      assert.deepEqual([line.via, line.old, line.new], ['live', old, current]);
    });

    test('the heartbeat counts messages added and handed over, and both agree', async () => {
      const after = child.lines.length;
      const before = (await child.line('heartbeat', { after })).added;
      await deliver('H1', { body: 'uno', t: 1795400999 });
      const beat = await child.line((line) => line.type === 'heartbeat' && line.added === before + 1, {
        after,
      });
      assert.equal(beat.emitted, beat.added);
      assert.equal(beat.socket_state, 'CONNECTED');
      assert.equal(beat.has_synced, true);
      assert.equal(beat.dropped, 0);
      const { v, type, seq, at, ...fields } = beat;
      assert.deepEqual(
        Object.keys(fields).join(' '),
        'socket_state has_synced stream mode history added emitted dropped',
      );
    });

    test('a body of a megabyte arrives cut', async () => {
      const line = await deliver('B1', { body: 'ñ'.repeat(1_000_000) });
      assert.equal(line.truncated, true);
      assert.equal(line.data, null);
      assert.match(line.body, /^ñ{400000,}$/);
    });

    test('NUL and half a surrogate pair arrive unchanged', async () => {
      const line = await deliver('B2', { body: 'a\u0000b\ud83d' });
      assert.equal(line.body, 'a\u0000b\ud83d');
    });

    test('a connection that drops and comes back is reported, and own presence is set again', async () => {
      const after = child.lines.length;
      const announced = standin.state().presence.length;
      await standin.act('offline');
      await child.line((line) => line.type === 'state' && line.state !== 'CONNECTED', { after });
      await standin.act('online');
      await child.line((line) => line.type === 'state' && line.state === 'CONNECTED', { after });
      await until(() => standin.state().presence.slice(announced).some(isUnavailable));
    });

    test('every message arrived once', () => {
      const ids = child.ofType('message').map((line) => line.id.id);
      assert.deepEqual(ids, [...new Set(ids)]);
    });

    test('nothing was sent, and the server was not queried', async () => {
      const { sent, queries } = standin.state();
      assert.deepEqual(sent, []);
      assert.deepEqual(queries, []);
      assert.deepEqual(child.ofType('outbound_blocked'), []);
      assert.deepEqual(child.ofType('page_error'), []);
    });

    test('an unknown command and a late pairing code are refused', async () => {
      const after = child.lines.length;
      child.send({ type: 'send', to: ANA, body: 'x' });
      assert.equal((await child.line('command_error', { after })).command, 'send');
      child.send({ type: 'pairing_code', phone: '5491155550100' });
      await child.line((line) => line.type === 'command_error' && line.command === 'pairing_code', { after });
    });
  });
}
