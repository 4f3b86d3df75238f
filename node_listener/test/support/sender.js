// Loaded into the child before its own code: tries to send, with the library's bare client and through the page, at each
// ready. Prints the outcome of each attempt to stderr.
import { Client } from '../../src/library.js';

const CHAT = '5491155550001@c.us';

/** @type {Record<string, (client: any) => Promise<unknown>>} */
const ATTEMPTS = {
  'client.sendMessage': (client) => client.sendMessage(CHAT, 'hola', { sendSeen: false }),
  'client.sendSeen': (client) => client.sendSeen(CHAT),
  'client.sendReaction': (client) => client.sendReaction(`false_${CHAT}_OLD`, '👍'),
  'client.archiveChat': (client) => client.archiveChat(CHAT),
  'client.markChatUnread': (client) => client.markChatUnread(CHAT),
  'client.setStatus': (client) => client.setStatus('hola'),
  'client.createGroup': (client) => client.createGroup('grupo', [CHAT]),
  'client.acceptInvite': (client) => client.acceptInvite('CODE'),
  'client.sendPresenceAvailable': (client) => client.sendPresenceAvailable(),
  'chat.sendStateTyping': async (client) => (await client.getChatById(CHAT)).sendStateTyping(),
  'chat.clearMessages': async (client) => (await client.getChatById(CHAT)).clearMessages(),
  'chat.delete': async (client) => (await client.getChatById(CHAT)).delete(),
  'page addAndSendMsgToChat': (client) =>
    client.pupPage.evaluate(() =>
      /** @type {any} */ (window).require('WAWebSendMsgChatAction').addAndSendMsgToChat({}, {}),
    ),
  'page markAvailable': (client) =>
    client.pupPage.evaluate(() =>
      /** @type {any} */ (window).require('WAWebStreamModel').Stream.markAvailable(),
    ),
  'client.logout': (client) => client.logout(),
};

const { initialize } = Client.prototype;
let rounds = 0;
Client.prototype.initialize = function initializeAndTry() {
  this.on('ready', async () => {
    rounds += 1;
    for (const [name, attempt] of Object.entries(ATTEMPTS)) {
      const outcome = await attempt(this).then(
        () => 'went through',
        (error) => `failed: ${error.message.split('\n')[0]}`,
      );
      process.stderr.write(`attempt ${rounds} ${name} ${outcome}\n`);
    }
    process.stderr.write(`attempts ${rounds} over\n`);
  });
  return initialize.call(this);
};
