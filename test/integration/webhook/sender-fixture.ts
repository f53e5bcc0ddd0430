// What the sender's tests share: a sender that may reach this machine, and requests with sensible defaults.

import type { Answer, SendRequest } from '../../../src/domain/sender.ts';
import { createSender } from '../../../src/webhook/client.ts';
import { createGuard } from '../../../src/webhook/guard.ts';
import type { GuardOptions } from '../../../src/webhook/guard.ts';
import { promised } from '../../support/promised-sender.ts';
import type { PromisedConnection } from '../../support/promised-sender.ts';

/** A connection to a local receiver. */
export function connectLocal(url: string, connections = 1, connectTimeoutMs = 2_000): PromisedConnection {
  return connectTo(url, ['127.0.0.0/8'], { connectTimeoutMs }, connections);
}

/** A connection through a guard of its own. */
export function connectTo(
  url: string,
  allow: readonly string[],
  options: GuardOptions = {},
  connections = 1,
): PromisedConnection {
  return promised(createSender(createGuard(allow, options)).connect(url, connections));
}

export function request(overrides: Partial<SendRequest> = {}): SendRequest {
  return {
    body: Buffer.from('{"hello":1}'),
    headers: ['content-type', 'application/json', 'webhook-id', 'evt-1'],
    deadlineMs: 2_000,
    signal: new AbortController().signal,
    mayHandOver: () => true,
    ...overrides,
  };
}

/** Like delivery: once more when the receiver had just closed the socket that was used. */
export async function sendAgainWhenStale(
  connection: PromisedConnection,
  asked: SendRequest = request(),
): Promise<Answer> {
  const answer = await connection.send(asked);
  const isStale = answer.kind === 'unanswered' && answer.failure === 'stale';
  return isStale ? connection.send(asked) : answer;
}
