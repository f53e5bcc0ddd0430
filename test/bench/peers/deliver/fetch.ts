// Node's global fetch(), as most programs send webhooks.

import { EVENT, headersOf, sendAll, work } from './work.ts';

await sendAll(async (n) => {
  const answer = await fetch(work.url, {
    method: 'POST',
    headers: headersOf(n),
    body: new Uint8Array(EVENT),
  });
  await answer.arrayBuffer();
  return answer.status;
});
