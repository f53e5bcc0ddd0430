// What the composition root gives to the actors: the ports they act through and the settings they obey.

import type { Clock } from '../domain/clock.ts';
import type { InstanceId } from '../domain/ids.ts';
import type { DeliveryLog } from '../domain/log.ts';
import type { RetryPolicy } from '../domain/outcome.ts';
import type { WebhookSender } from '../domain/sender.ts';
import type { Emit } from '../domain/signals.ts';
import type { JobStore } from '../domain/store.ts';
import type { HealthPolicy } from '../machines/endpoint-health.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { Proving } from './prover.ts';
import type { Together } from './together.ts';
import type { TurnShare } from './turn-share.ts';

export interface ActorSettings {
  readonly instance: InstanceId;
  readonly leaseMs: number;
  readonly heartbeatIntervalMs: number;
  /** How often a dirty cut is written; sooner when half of the repeat bound is used. */
  readonly cutIntervalMs: number;
  /** How old `to` must be before the ends are pinned: above a producer's delivery time-out. */
  readonly settleMs: number;
  /** How long a site may not answer before a job goes on with another one. */
  readonly siteDownMs: number;
  /** How long a job waits for a mirrored copy to be proven whole, from when its range is settled. */
  readonly mirrorWaitMs: number;
  readonly maxRepeat: number;
  /** Events per second of one webhook at most. */
  readonly maxRate: number;
  /** Requests in flight at one webhook, unless the webhook or the job says another number. */
  readonly concurrency: number;
  readonly requestTimeoutMs: number;
  readonly dedupeMaxEntries: number;
  readonly retry: RetryPolicy;
  readonly health: HealthPolicy;
}

export interface Edges {
  readonly store: JobStore;
  readonly log: DeliveryLog;
  readonly sender: WebhookSender;
  readonly emit: Emit;
  readonly clock: Clock;
  readonly random: () => number;
  readonly budget: MemoryBudget;
  readonly turns: TurnShare;
  readonly prover: Proving;
  readonly together: Together;
  readonly settings: ActorSettings;
}
