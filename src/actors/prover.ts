// Checks webhooks: those whose time has come, and those that somebody waits for (a replay's owner, a client).
// Every instance looks; the store lets one of them make a check (proofs.ts). Owned here: how many checks at a time, and
// what is told of them. Refused: what a result makes of a webhook (domain/proof), sending (webhook/prober).
// Nothing waits for this at a stop: a check that is cut off has kept nothing, and its lease runs out.

import type { TenantId, WebhookId } from '../domain/ids.ts';
import { pause } from '../domain/pause.ts';
import { afterCheck, demandsProof, WEBHOOK_PROFILES } from '../domain/proof.ts';
import type {
  Check,
  Probe,
  ProofMoment,
  ProofPolicy,
  ProofStore,
  ProofTask,
  Validity,
  WebhookProfile,
} from '../domain/proof.ts';
import type { Emit } from '../domain/signals.ts';

export interface ProverEdges {
  readonly store: ProofStore;
  readonly probe: Probe;
  readonly emit: Emit;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly policy: ProofPolicy;
}

/** A check that was made. */
export interface Proved {
  readonly profile: WebhookProfile;
  /** Why it failed; null = it passed. */
  readonly reason: string | null;
  readonly validity: Validity;
}

/** `stale`: the webhook changed meanwhile. */
export type Unproved = 'absent' | 'busy' | 'not_due' | 'stale';

/** What the owner of a replay needs of it. */
export interface Proving {
  demands(profile: WebhookProfile): boolean;
  prove(id: WebhookId, moment: ProofMoment): Promise<Proved | Unproved>;
}

/** Where no webhook has to prove anything. */
export const NO_PROVING: Proving = { demands: () => false, prove: () => Promise.resolve('not_due') };

const INTERVAL_MS = 1_000;
/** Checks of one look, all at a time: a receiver that hangs costs its deadline, a look no more than that. */
const BATCH = 16;
/** How long a client waits for the check that somebody else is making, and between two looks. */
const BUSY_MS = 6_000;
const BUSY_LOOK_MS = 200;

export class Prover implements Proving {
  readonly #edges: ProverEdges;
  readonly #signal: AbortSignal;

  /** After `signal` nothing is checked any more. */
  constructor(edges: ProverEdges, signal: AbortSignal) {
    this.#edges = edges;
    this.#signal = signal;
  }

  demands(profile: WebhookProfile): boolean {
    return demandsProof(this.#edges.policy.mode, profile);
  }

  /** One check of this webhook, unless another one is under way or it is not the moment. */
  async prove(id: WebhookId, moment: ProofMoment, tenant?: TenantId): Promise<Proved | Unproved> {
    const { store, probe } = this.#edges;
    if (this.#signal.aborted) return 'busy';
    const task = await store.beginProof(id, moment, tenant);
    if (typeof task === 'string') return task;
    const startedMs = performance.now();
    const reason = await probe(task, this.#signal);
    if (reason === 'aborted') return 'busy';
    return this.#keep(task, reason, performance.now() - startedMs);
  }

  /** The same for a client, who waits for its own turn. */
  async proveNow(id: WebhookId, tenant: TenantId): Promise<Proved | Unproved> {
    const untilMs = performance.now() + BUSY_MS;
    for (;;) {
      const answer = await this.prove(id, 'now', tenant);
      const isOver = performance.now() > untilMs || this.#signal.aborted;
      if ((answer !== 'busy' && answer !== 'stale') || isOver) return answer;
      await pause(BUSY_LOOK_MS, this.#signal);
    }
  }

  /** Resolves after the signal. */
  async keepProving(): Promise<void> {
    const { store, random } = this.#edges;
    const profiles = WEBHOOK_PROFILES.filter((profile) => this.demands(profile));
    if (profiles.length === 0) return;
    while (!this.#signal.aborted) {
      try {
        const due = await store.dueProofs(profiles, BATCH);
        await Promise.allSettled(due.map((id) => this.prove(id, 'due')));
      } catch {
        // The store has said that the database is away; the next look asks again.
      }
      await pause(INTERVAL_MS * (0.5 + random()), this.#signal);
    }
  }

  async #keep(task: ProofTask, reason: string | null, durationMs: number): Promise<Proved | 'stale'> {
    const { store, emit, random, policy } = this.#edges;
    const { webhookId, profile } = task;
    const result = resultOf(reason);
    const step = (before: Validity, check: Check): Validity =>
      afterCheck(before, check, profile, policy, random());
    const ended = await store.endProof(task, reason, step);
    emit('webhook.checked', { webhookId, profile, result, durationMs });
    if (ended === 'stale') return ended;
    const { before, validity } = ended;
    if (before !== validity.state) {
      emit('webhook.validity', { webhookId, from: before, to: validity.state, reason: reason ?? 'passed' });
    }
    return { profile, reason, validity };
  }
}

/** Bounded names for the metric. */
function resultOf(reason: string | null): string {
  if (reason === null) return 'passed';
  return reason.startsWith('http_') ? `${reason.slice(0, 6)}xx` : reason;
}
