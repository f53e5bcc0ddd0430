// Implements the port Probe: one check of a webhook by undici over a socket of its own, which is closed afterwards.
// Invariants: dials through the same guard as deliveries (address, port, TLS); follows no redirect; reads at most
// ANSWER_BYTES of a body; ends within the deadline whatever the receiver does. Nothing of an answer
// gets out but a short reason, and nothing of the secret.

import { randomBytes } from 'node:crypto';
import { Client } from 'undici';
import type { Dispatcher } from 'undici';
import { PROOF_DEADLINE_MS } from '../domain/proof.ts';
import type { Probe } from '../domain/proof.ts';
import { ANSWER_BYTES, faultOfAnswer, proofRequest } from '../domain/proof-request.ts';
import type { ProofRequest } from '../domain/proof-request.ts';
import { failureOf } from './failure.ts';
import type { Guard } from './guard.ts';

const TOKEN_BYTES = 24;
const OK = 200;

export function createProber(guard: Guard, deadlineMs = PROOF_DEADLINE_MS): Probe {
  return async (task, signal) => {
    if (guard.checkUrl(task.url) !== null) return 'blocked';
    const request = proofRequest(task, {
      token: randomBytes(TOKEN_BYTES).toString('base64url'),
      nonce: randomBytes(TOKEN_BYTES).toString('base64url'),
      atMs: Date.now(),
    });
    const late = AbortSignal.timeout(deadlineMs);
    const over = AbortSignal.any([signal, late]);
    const client = new Client(new URL(task.url).origin, {
      connect: (options, callback) => void guard.streamConnector(options, callback),
      allowH2: false,
      pipelining: 0,
    });
    try {
      return await ask(client, request, over);
    } catch (error) {
      if (signal.aborted) return 'aborted';
      if (late.aborted) return 'timeout';
      return failureOf(error);
    } finally {
      // Not awaited: the end of a dial that hangs is its own.
      void client.destroy().catch(() => undefined);
    }
  };
}

/** Whatever the client does, the wait is over when `over` is. */
async function ask(client: Client, request: ProofRequest, over: AbortSignal): Promise<string | null> {
  const ended = Promise.withResolvers<never>();
  const end = (): void => ended.reject(new Error('over'));
  over.addEventListener('abort', end, { once: true });
  try {
    return await Promise.race([exchange(client, request, over), ended.promise]);
  } finally {
    over.removeEventListener('abort', end);
  }
}

async function exchange(client: Client, request: ProofRequest, signal: AbortSignal): Promise<string | null> {
  const { method, path, headers, body, answer } = request;
  const response = await client.request({ method, path, headers: [...headers], body, signal });
  if (response.statusCode !== OK) {
    discard(response.body);
    return `http_${response.statusCode}`;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > ANSWER_BYTES) return 'too_long';
  }
  return faultOfAnswer(Buffer.concat(chunks).toString('utf8'), answer);
}

/** Its socket goes with the client. */
function discard(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => undefined).destroy();
}
