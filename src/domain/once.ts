// A request that creates something, done once however often it is sent: the words of `Idempotency-Key`.
// The answer is made and kept in the transaction that creates, so there is no moment in which one is there without
// the other. Refused: secrets. What is kept is what a repeat may be told in clear.

import { RepriseError } from './errors.ts';
import type { TenantId } from './ids.ts';

/** What a client was answered, as it went out. */
export interface KeptAnswer {
  readonly status: number;
  readonly location: string | null;
  /** JSON text. */
  readonly body: string;
}

/** The right of one request to be the one that creates. */
export interface Once<Value> {
  readonly tenant: TenantId;
  readonly key: string;
  /** Of method, path and body: another request with the same key is a mistake. */
  readonly requestHash: string;
  /** Drawn anew for each request: tells its own key from another's after a COMMIT without an answer. */
  readonly tag: string;
  readonly keepMs: number;
  readonly answer: (value: Value) => KeptAnswer;
}

/** A key that was used, and for what. */
export interface UsedKey {
  readonly requestHash: string;
  readonly answer: KeptAnswer;
}

export const keyInProgress = (): RepriseError =>
  new RepriseError(
    'idempotency_in_progress',
    'The first request with this Idempotency-Key is not answered yet; ask again in a moment for its answer.',
  );

export const keyMismatch = (): RepriseError =>
  new RepriseError(
    'idempotency_mismatch',
    'This Idempotency-Key was used for another request (method, path or body); send a new key with a new request.',
  );
