// Chats as the page's collections have them, for its own functions run in Node.

/** Time of every message and chat, in seconds. */
export const T = 1795400000;

/**
 * A chat with a message of each of these names, received just now.
 * @param {unknown} id
 * @param {...string} messages
 */
export const chatOf = (id, ...messages) => ({
  id,
  t: T,
  msgs: {
    getModelsArray: () =>
      messages.map((name) => ({
        id: { fromMe: false, remote: id, id: name },
        t: T,
        type: 'chat',
        body: name,
        isNewMsg: true,
      })),
  },
});
