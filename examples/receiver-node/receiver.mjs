// A receiver of webhooks that believes only what is signed and does each event once. Its store of known ids is a
// file; use a table of your database instead, in the transaction that does the work.
//
//   npm install
//   WEBHOOK_SECRET=whsec_... PORT=3000 node receiver.mjs

import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { Buffer } from 'node:buffer';
import { createServer } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

const { WEBHOOK_SECRET, PORT = '3000', SEEN_FILE = 'seen-ids.txt' } = process.env;
if (!WEBHOOK_SECRET)
  throw new Error('set WEBHOOK_SECRET to the secret that the registration of the webhook showed');
const MAX_BYTES = 10 * 1024 * 1024;

const webhook = new Webhook(WEBHOOK_SECRET);
const seen = new Set(existsSync(SEEN_FILE) ? readFileSync(SEEN_FILE, 'utf8').split('\n') : []);
const seenFile = openSync(SEEN_FILE, 'a');

/** Your work goes here. When it throws, the event is answered with 500 and comes again. */
function work(event) {
  console.log(`event ${JSON.stringify(event)}`);
}

/** Answers 200 for what was done, now or before. */
function handle(body, headers) {
  let event;
  try {
    // The bytes as they came: parsed and written again they would not verify.
    event = webhook.verify(body, headers);
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    console.log(`refused: ${error.message}`);
    return 401;
  }
  const id = headers['webhook-id'];
  if (seen.has(id)) {
    console.log(`already had ${id}`);
    return 200;
  }
  work(event);
  // Known only when it is done and on disk: a crash before this line brings it again, one after it does not.
  appendFileSync(seenFile, `${id}\n`);
  fsyncSync(seenFile);
  seen.add(id);
  return 200;
}

const server = createServer((request, response) => {
  const chunks = [];
  let bytes = 0;
  request.on('data', (chunk) => {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) request.destroy();
    else chunks.push(chunk);
  });
  request.on('error', () => undefined);
  request.on('end', () => {
    let status = 500;
    try {
      status = handle(Buffer.concat(chunks).toString('utf8'), request.headers);
    } catch (error) {
      console.error(error);
    }
    response.writeHead(status).end();
  });
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on port ${PORT}`));
process.once('SIGTERM', () => {
  server.close(() => closeSync(seenFile));
  server.closeAllConnections();
});
