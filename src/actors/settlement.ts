// What an answer does to an event and to its endpoint: delivered, tried again later, or given up. The endpoint's
// health decides whether the failure costs an attempt: while delivery is suspended it does not, or an outage
// would turn into dead letters. Every attempt that was begun ends here exactly once.
// The answer to a batch is the answer to each of its events, but a batch is never given up: it is halved until what
// fails is one event alone, so that a poison event takes only itself.

import type { LogEvent } from '../domain/log.ts';
import { halvesOf } from '../domain/message.ts';
import type { Message } from '../domain/message.ts';
import { hintOf, isToHalve, judge, strains } from '../domain/outcome.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Answer } from '../domain/sender.ts';
import type { Endpoint } from './endpoint.ts';
import { heldBytesOf } from './memory-budget.ts';
import type { Outbox } from './outbox.ts';
import type { Run } from './run.ts';

type RetryOutcome = Extract<Outcome, { kind: 'retry' }>;

export class Settlement {
  readonly #run: Run;
  readonly #endpoint: Endpoint;
  readonly #outbox: Outbox;

  constructor(run: Run, endpoint: Endpoint, outbox: Outbox) {
    this.#run = run;
    this.#endpoint = endpoint;
    this.#outbox = outbox;
  }

  /** `inFlight`: with this one still counted; `sentAtMs`: monotonic. */
  answered(message: Message, answer: Answer, sentAtMs: number, inFlight: number): void {
    const { edges } = this.#run;
    const events = message.events.length;
    const now = edges.clock.monoMs();
    const { window } = this.#endpoint;
    if (strains(answer)) window.strained(sentAtMs, now);
    else if (answer.kind === 'answered') window.answered(sentAtMs, now, inFlight);
    const outcome = this.#judge(message, answer, sentAtMs, now);
    const name = nameOf(answer, outcome.kind);
    edges.emit('delivery.attempt', { outcome: name, events, durationMs: answer.durationMs });
    if (outcome.kind === 'delivered') {
      for (const event of message.events) this.#delivered(event, now);
      this.#release(message);
    } else if (outcome.kind === 'give_up') {
      for (const event of message.events) this.#giveUp(event, message.attempt, outcome.reason, answer, now);
      this.#release(message);
    } else {
      this.#retry(message, answer, now, outcome);
    }
    if (answer.kind === 'unanswered' || hintOf(answer) !== 'fine') {
      this.#run.lastRefusal = answer.kind === 'answered' ? `http_${answer.status}` : answer.failure;
    }
  }

  /** Tells the endpoint's health, and judges; a failure of an endpoint that is down costs no attempt. */
  #judge(message: Message, answer: Answer, sentAtMs: number, now: number): Outcome {
    const { health } = this.#endpoint;
    const hint = hintOf(answer);
    if (hint === 'gone') health.tell({ type: 'GONE', atMs: now });
    else if (hint === 'unavailable' && !isThrottle(answer)) {
      const maybeSent = answer.kind === 'answered' || answer.maybeSent;
      health.failed({ isFirst: message.failed === 0, maybeSent }, sentAtMs, now);
    } else if (hint !== null) health.tell({ type: 'SUCCEEDED', atMs: now });
    const { retry } = this.#run.edges.settings;
    const isOwed = hint === 'gone' || (hint === 'unavailable' && health.isDown);
    if (isOwed) return { kind: 'retry', afterMs: 0, slowDownMs: null };
    const outcome = judge(answer, message.failed + 1, retry, this.#run.edges.random);
    const isBatch = message.events.length > 1;
    return isBatch && outcome.kind === 'give_up' ? { kind: 'retry', afterMs: 0, slowDownMs: null } : outcome;
  }

  #retry(message: Message, answer: Answer, now: number, outcome: RetryOutcome): void {
    const events = message.events.length;
    this.#run.progress.cut.returned(events);
    const aborted = answer.kind === 'unanswered' && answer.failure === 'aborted';
    // One that we broke off at the lease's end may have been taken all the same.
    if (answer.kind === 'unanswered' && (!aborted || answer.maybeSent)) {
      this.#run.progress.counts.unanswered += events;
      this.#run.progress.cut.touch();
    }
    if (outcome.slowDownMs !== null) this.#endpoint.window.slowDown(now + outcome.slowDownMs);
    const isFree = aborted || this.#endpoint.health.isDown;
    const failed = message.failed + (isFree ? 0 : 1);
    const next = { ...message, attempt: message.attempt + 1, failed };
    if (isFree || events === 1 || !isToHalve(answer, failed, this.#run.edges.settings.retry)) {
      this.#outbox.later(next, now + outcome.afterMs);
      return;
    }
    // A receiver that works and says no need not be left alone meanwhile.
    const dueMs = hintOf(answer) === 'rejects' ? now : now + outcome.afterMs;
    for (const half of halvesOf(next)) this.#outbox.later({ ...half, failed: 0 }, dueMs);
  }

  #delivered(event: LogEvent, now: number): void {
    this.#run.progress.delivered(event);
    this.#endpoint.health.ended(false, now);
  }

  #giveUp(event: LogEvent, attempts: number, reason: string, answer: Answer, now: number): void {
    const lastStatus = answer.kind === 'answered' ? answer.status : null;
    this.#run.progress.deadLettered(event, { reason, lastStatus, attempts });
    this.#run.edges.emit('delivery.dead_letter', { jobId: this.#run.job.id, reason });
    this.#endpoint.health.ended(true, now);
  }

  /** Its bytes at once: a source may be waiting for them, and is woken once. */
  #release({ events }: Message): void {
    this.#run.budget.release(heldBytesOf(events));
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
