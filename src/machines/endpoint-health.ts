// The health of one webhook's endpoint as one run sees it, as a machine: pure, times are given in the events.
// An endpoint that is down is no reason to burn dead letters, so a row of failures suspends delivery and one
// probe at a time looks whether it is back; after the limit the job is paused. An endpoint that rejects nearly
// everything is a misdeployed one (404 or 401 to all), and a 410 says that it is gone: both pause the job too.
//
//   healthy ──failures in a row──> suspended ──a probe succeeds──> healthy
//      │                              └──limit passed──> unavailable      (unavailable, gone, rejects: the job
//      ├──410──> gone                                                      is paused with that reason)
//      └──too many given up──> rejects

import { assign, initialTransition, setup, transition } from 'xstate';
import type { PauseReason } from '../domain/job.ts';

export interface HealthPolicy {
  /** Failures in a row, without any success between, that suspend delivery. */
  readonly failuresInARow: number;
  /** The first gap between probes, ms; doubles up to `probeCapMs`. */
  readonly probeBaseMs: number;
  readonly probeCapMs: number;
  /** How long an endpoint may stay down before the job is paused, ms. */
  readonly downLimitMs: number;
}

/** All of the first 20, or more than half of the last 200 that ended, were given up. */
const FIRST = 20;
const LAST = 200;

interface HealthContext {
  readonly policy: HealthPolicy;
  readonly failures: number;
  readonly downSinceMs: number;
  readonly probes: number;
  readonly nextProbeMs: number;
}

export type HealthEvent =
  /** The endpoint accepted an event, or answered in a way that shows it works. */
  | { readonly type: 'SUCCEEDED'; readonly atMs: number }
  /** Refused, timed out, 5xx: it cannot take events now. */
  | { readonly type: 'FAILED'; readonly sentAtMs: number; readonly atMs: number }
  | { readonly type: 'GONE'; readonly atMs: number }
  /** Of the events that ended lately, too many were given up. */
  | { readonly type: 'REJECTED_MOST'; readonly atMs: number };

const NO_POLICY: HealthPolicy = { failuresInARow: 1, probeBaseMs: 1, probeCapMs: 1, downLimitMs: 1 };

export const endpointHealthMachine = setup({
  types: {
    context: {} as HealthContext,
    events: {} as HealthEvent,
    input: {} as HealthPolicy | undefined,
  },
  guards: {
    tooMany: ({ context }) => context.failures + 1 >= context.policy.failuresInARow,
    isStale: ({ context, event }) => event.type === 'FAILED' && event.sentAtMs < context.downSinceMs,
    downTooLong: ({ context, event }) => event.atMs - context.downSinceMs >= context.policy.downLimitMs,
  },
  actions: {
    countFailure: assign(({ context }) => ({ failures: context.failures + 1 })),
    recover: assign({ failures: 0, probes: 0 }),
    suspend: assign(({ context, event }) => ({
      failures: 0,
      probes: 0,
      downSinceMs: event.atMs,
      nextProbeMs: event.atMs + context.policy.probeBaseMs,
    })),
    waitLonger: assign(({ context, event }) => {
      const { probeBaseMs, probeCapMs } = context.policy;
      const gap = Math.min(probeCapMs, probeBaseMs * 2 ** (context.probes + 1));
      return { probes: context.probes + 1, nextProbeMs: event.atMs + gap };
    }),
  },
}).createMachine({
  id: 'endpointHealth',
  context: ({ input }) => ({
    policy: input ?? NO_POLICY,
    failures: 0,
    downSinceMs: 0,
    probes: 0,
    nextProbeMs: 0,
  }),
  initial: 'healthy',
  states: {
    healthy: {
      description: 'Events are handed over as fast as the limits allow.',
      on: {
        SUCCEEDED: { actions: 'recover' },
        FAILED: [{ guard: 'tooMany', target: 'suspended', actions: 'suspend' }, { actions: 'countFailure' }],
        GONE: 'gone',
        REJECTED_MOST: 'rejects',
      },
    },
    suspended: {
      description: 'Down: only one probe at a time, with growing gaps; a probe costs no attempt.',
      on: {
        SUCCEEDED: { target: 'healthy', actions: 'recover' },
        // What was in flight as it went down says nothing new.
        FAILED: [
          { guard: 'isStale' },
          { guard: 'downTooLong', target: 'unavailable' },
          { actions: 'waitLonger' },
        ],
        GONE: 'gone',
        REJECTED_MOST: 'rejects',
      },
    },
    unavailable: { description: 'Down beyond the limit.', type: 'final' },
    gone: { description: 'Answered 410.', type: 'final' },
    rejects: { description: 'Gives nearly everything back: probably misdeployed.', type: 'final' },
  },
});

const PAUSES = {
  healthy: null,
  suspended: null,
  unavailable: 'endpoint_unavailable',
  gone: 'endpoint_gone',
  rejects: 'endpoint_rejects',
} as const;

/** The machine held for one run: tell it what happened, ask it what may be done. */
export class EndpointHealth {
  #snapshot: ReturnType<typeof endpointHealthMachine.resolveState>;
  /** Ring of the last ends, 1 = given up; plain numbers, because it turns with every event. */
  readonly #ends = new Uint8Array(LAST);
  #ended = 0;
  #hasSucceeded = false;
  #givenUp = 0;

  constructor(policy: HealthPolicy) {
    this.#snapshot = initialTransition(endpointHealthMachine, policy)[0];
  }

  tell(event: HealthEvent): void {
    if (event.type === 'SUCCEEDED') this.#hasSucceeded = true;
    // The common case costs nothing: a success of a healthy endpoint without failures changes nothing.
    if (event.type === 'SUCCEEDED' && !this.isSuspended && this.#snapshot.context.failures === 0) return;
    [this.#snapshot] = transition(endpointHealthMachine, this.#snapshot, event);
  }

  /**
   * An attempt failed. Once the endpoint took something, only the first failure of each event counts: a few
   * poison events that fail again and again are no outage. Unless the request never left (`maybeSent` false: refused,
   * no DNS, no TLS): no event can be the cause of that, and a narrow window tries the same few again and again.
   */
  failed(
    attempt: { readonly isFirst: boolean; readonly maybeSent: boolean },
    sentAtMs: number,
    atMs: number,
  ): void {
    if (this.#hasSucceeded && !attempt.isFirst && attempt.maybeSent && !this.isSuspended) return;
    this.tell({ type: 'FAILED', sentAtMs, atMs });
  }

  /** An event was settled for good: delivered, or given up. */
  ended(givenUp: boolean, atMs: number): void {
    const at = this.#ended++ % LAST;
    this.#givenUp += Number(givenUp) - (this.#ends[at] ?? 0);
    this.#ends[at] = Number(givenUp);
    if (!givenUp) return;
    const allOfTheFirst = this.#ended === FIRST && this.#givenUp === FIRST;
    const mostOfTheLast = this.#ended >= LAST && this.#givenUp * 2 > LAST;
    if (allOfTheFirst || mostOfTheLast) this.tell({ type: 'REJECTED_MOST', atMs });
  }

  /** Only probes may be sent. */
  get isSuspended(): boolean {
    return this.#snapshot.value === 'suspended';
  }

  /** Suspended, or beyond: a failure says nothing about the event. */
  get isDown(): boolean {
    return this.isSuspended || this.pause === 'endpoint_unavailable';
  }

  /** When the next probe may be sent. */
  get nextProbeMs(): number {
    return this.#snapshot.context.nextProbeMs;
  }

  /** Why the job is to be paused; null while it may go on. */
  get pause(): PauseReason | null {
    return PAUSES[this.#snapshot.value];
  }
}
