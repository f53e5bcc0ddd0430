// Reprise's HTTP client alone: guard, sockets, deadlines and hand-over, without a job around it.

import { createSender } from '../../../../src/webhook/client.ts';
import { createGuard } from '../../../../src/webhook/guard.ts';
import { EVENT, headersOf, sendAll, work } from './work.ts';

const DEADLINE_MS = 30_000;

const connection = createSender(createGuard(['127.0.0.0/8'])).connect(work.url, work.connections);
const { signal } = new AbortController();
const mayHandOver = (): boolean => true;

await sendAll(
  (n) =>
    new Promise((resolve) => {
      const headers = Object.entries(headersOf(n)).flat();
      const request = { body: EVENT, headers, deadlineMs: DEADLINE_MS, signal, mayHandOver };
      connection.send(request, (answer) => resolve(answer.kind === 'answered' ? answer.status : 0));
    }),
);
