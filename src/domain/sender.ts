// Port to the receiver: one signed request at a time, bounded in time and memory whatever the receiver does.
// What an answer means is domain/outcome's business, not the sender's.

import type { FixedHeaders } from './fixed-headers.ts';
import type { WebhookId } from './ids.ts';
import type { DeliveryProfile } from './message.ts';
import type { Validity, WebhookProfile } from './proof.ts';

/**
 * Why an attempt ended without an answer. `blocked`: the address guard refused the target. `stale`: a socket that
 * had carried answers died without a byte of this one, as when the receiver closes it for idleness: try again now.
 */
export type SendFailure =
  'timeout' | 'refused' | 'reset' | 'stale' | 'dns' | 'tls' | 'blocked' | 'protocol' | 'aborted';

export type Answer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** From Retry-After (seconds or HTTP date), in ms from now; null without one. */
      readonly retryAfterMs: number | null;
      readonly durationMs: number;
    }
  | {
      readonly kind: 'unanswered';
      readonly failure: SendFailure;
      /** Whether bytes of the request may have reached the receiver. */
      readonly maybeSent: boolean;
      readonly durationMs: number;
    };

export interface SendRequest {
  readonly body: Buffer;
  /** Names and values in turn: an object per request cost more than its names. */
  readonly headers: readonly string[];
  /** Total time from hand-off to the end of the answer's head and the first KB of its body. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /**
   * Asked when a socket is there, in the step that writes: a dial may have taken seconds, and the process may
   * have slept meanwhile. False ends the attempt as `aborted`, with nothing sent.
   */
  readonly mayHandOver: () => boolean;
  /**
   * Told the body when all of it has left and nobody reads it any more: its bytes may then be changed. At most once,
   * and before the answer's end is followed by another request; not at all when that is not known.
   */
  readonly bodyLeft?: ((body: Buffer) => void) | null;
}

export interface ReceiverConnection {
  /**
   * Hands over at most once. `onAnswer` is called exactly once, never within this call, whatever happens. A callback and
   * no promise: this is called for every event.
   */
  send(request: SendRequest, onAnswer: (answer: Answer) => void): void;
  /** Ends idle connections at once and those in flight when answered. */
  close(): Promise<void>;
}

export interface WebhookSender {
  /** `connections`: the most sockets that may be open at a time. */
  connect(url: string, connections: number): ReceiverConnection;
}

/** What is needed to deliver to a webhook now; read anew when its version changes. */
export interface DeliveryTarget {
  readonly webhookId: WebhookId;
  readonly version: number;
  readonly url: string;
  /** Signing secrets (`whsec_...`), newest first; each signs. */
  readonly secrets: readonly string[];
  readonly maxRate: number | null;
  readonly concurrency: number | null;
  readonly delivery: DeliveryProfile;
  /** Of a request with one event. */
  readonly contentType: string;
  readonly headers: FixedHeaders;
  readonly profile: WebhookProfile;
  readonly validity: Validity;
}
