// What an answer does to an event and to its endpoint: delivered, tried again later, or given up. The endpoint's
// health decides whether the failure costs an attempt: while delivery is suspended it does not, or an outage
// would turn into dead letters. Every attempt that was begun ends here exactly once.

import type { LogEvent } from '../domain/log.ts';
import { hintOf, judge, strains } from '../domain/outcome.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Answer } from '../domain/sender.ts';
import type { Endpoint } from './endpoint.ts';
import { heldBytes } from './memory-budget.ts';
import type { Retry, RetryQueue } from './retry-queue.ts';
import type { Run } from './run.ts';

type RetryOutcome = Extract<Outcome, { kind: 'retry' }>;

export class Settlement {
  readonly #run: Run;
  readonly #endpoint: Endpoint;
  readonly #retries: RetryQueue;

  constructor(run: Run, endpoint: Endpoint, retries: RetryQueue) {
    this.#run = run;
    this.#endpoint = endpoint;
    this.#retries = retries;
  }

  /** `inFlight`: with this one still counted; `sentAtMs`: monotonic. */
  answered(item: Retry, answer: Answer, sentAtMs: number, inFlight: number): void {
    const { progress, edges } = this.#run;
    const now = edges.clock.monoMs();
    const { window } = this.#endpoint;
    if (strains(answer)) window.strained(sentAtMs, now);
    else if (answer.kind === 'answered') window.answered(sentAtMs, now, inFlight);
    const outcome = this.#judge(item, answer, sentAtMs, now);
    edges.emit('delivery.attempt', { outcome: nameOf(answer, outcome.kind), durationMs: answer.durationMs });
    if (outcome.kind === 'delivered') {
      progress.delivered(item.event);
      this.#end(item.event, false, now);
    } else if (outcome.kind === 'give_up') {
      const lastStatus = answer.kind === 'answered' ? answer.status : null;
      progress.deadLettered(item.event, { reason: outcome.reason, lastStatus, attempts: item.attempt });
      edges.emit('delivery.dead_letter', { jobId: this.#run.job.id, reason: outcome.reason });
      this.#end(item.event, true, now);
    } else {
      this.#retry(item, answer, now, outcome);
    }
    if (answer.kind === 'unanswered' || hintOf(answer) !== 'fine') {
      this.#run.lastRefusal = answer.kind === 'answered' ? `http_${answer.status}` : answer.failure;
    }
  }

  /** Tells the endpoint's health, and judges; a failure of an endpoint that is down costs no attempt. */
  #judge(item: Retry, answer: Answer, sentAtMs: number, now: number): Outcome {
    const { health } = this.#endpoint;
    const hint = hintOf(answer);
    if (hint === 'gone') health.tell({ type: 'GONE', atMs: now });
    else if (hint === 'unavailable' && !isThrottle(answer)) {
      health.failed(item.failed === 0, sentAtMs, now);
    } else if (hint !== null) health.tell({ type: 'SUCCEEDED', atMs: now });
    const { retry } = this.#run.edges.settings;
    const isOwed = hint === 'gone' || (hint === 'unavailable' && health.isDown);
    if (isOwed) return { kind: 'retry', afterMs: 0, slowDownMs: null };
    return judge(answer, item.failed + 1, retry, this.#run.edges.random);
  }

  #retry(item: Retry, answer: Answer, now: number, outcome: RetryOutcome): void {
    this.#run.progress.cut.returned();
    const aborted = answer.kind === 'unanswered' && answer.failure === 'aborted';
    // One that we broke off at the lease's end may have been taken all the same.
    if (answer.kind === 'unanswered' && (!aborted || answer.maybeSent)) {
      this.#run.progress.counts.unanswered++;
      this.#run.progress.cut.touch();
    }
    if (outcome.slowDownMs !== null) this.#endpoint.window.slowDown(now + outcome.slowDownMs);
    const isFree = aborted || this.#endpoint.health.isDown;
    const failed = item.failed + (isFree ? 0 : 1);
    this.#retries.add({ event: item.event, attempt: item.attempt + 1, failed }, now + outcome.afterMs);
  }

  #end(event: LogEvent, givenUp: boolean, now: number): void {
    this.#endpoint.health.ended(givenUp, now);
    this.#run.budget.release(heldBytes(event));
  }
}

/** 429 says that the endpoint works and wants less: the window and Retry-After answer that, not a suspension. */
function isThrottle(answer: Answer): boolean {
  return answer.kind === 'answered' && answer.status === 429;
}

/** Bounded names for the metric: what happened, not the status itself. */
function nameOf(answer: Answer, kind: string): string {
  if (kind === 'delivered') return 'delivered';
  const cause = answer.kind === 'answered' ? `http_${Math.floor(answer.status / 100)}xx` : answer.failure;
  return kind === 'give_up' ? `dead_letter_${cause}` : `retry_${cause}`;
}
