// What n8n 2.41.1 did with a Webhook node (Raw Body, "When Last Node Finishes", "No Response Body") and a Code node, as seen
// with the real one: `node n8n.mjs FILE`. FILE is the text of the Code node; a line of JSON on stdin is a request with its
// body in base64; a line on stdout is n8n's status and what the Code node handed on.
import crypto from 'node:crypto';
import fs from 'node:fs';
import readline from 'node:readline';

const AsyncFunction = (async () => {}).constructor;
const code = new AsyncFunction('$input', 'require', fs.readFileSync(process.argv[2], 'utf8'));

// NODE_FUNCTION_ALLOW_BUILTIN=crypto
function required(name) {
  if (name !== 'crypto') throw new Error(`Module '${name}' is disallowed`);
  return crypto;
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { headers, body } = JSON.parse(line);
  const item = { json: { headers, params: {}, query: {}, body: {} }, binary: { data: { data: body } } };
  const node = { helpers: { getBinaryDataBuffer: async (i, name) => Buffer.from([item][i].binary[name].data, 'base64') } };
  let answer;
  try {
    const items = await code.call(node, { first: () => item }, required);
    if (!items.every((each) => typeof each.json === 'object')) throw new Error("Code doesn't return items properly");
    answer = { status: '200 OK', items: items.map((each) => each.json) };
  } catch (error) {
    answer = { status: '500 Internal Server Error', error: `${error}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
