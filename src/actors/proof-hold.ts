// Holds a run's delivery until its webhook has proven itself. Asks for the check when the webhook is unproven as the
// run sees it, and once as the run begins when it is invalid: whoever mends a receiver and resumes the job need
// not know more. Reads the webhook's row anew until it is valid or invalid.
// Invariant: nothing is handed over while `isHeld` or `isInvalid`. A webhook that becomes invalid while the run goes on is not
// asked again: the job is paused at once.

import { pause } from '../domain/pause.ts';
import { explainReason } from '../domain/proof.ts';
import type { ProofMoment } from '../domain/proof.ts';
import type { DeliveryTarget } from '../domain/sender.ts';
import type { Run } from './run.ts';

const LOOK_AGAIN_MS = 500;
const WHO = 'proof';

export class ProofHold {
  readonly #run: Run;
  readonly #lookAgain: () => Promise<void>;
  #state: 'proven' | 'held' | 'invalid' = 'held';
  /** A result from before this run is not the last word on an invalid webhook. */
  #mustCheck = true;
  #isAsking = false;

  /** `lookAgain` reads the webhook's row and ends in `seen`. */
  constructor(run: Run, lookAgain: () => Promise<void>) {
    this.#run = run;
    this.#lookAgain = lookAgain;
  }

  get isHeld(): boolean {
    return this.#state === 'held';
  }

  get isInvalid(): boolean {
    return this.#state === 'invalid';
  }

  /** The webhook's row was read. */
  seen(target: DeliveryTarget, signal: AbortSignal): void {
    const { state } = target.validity;
    const isProven = state === 'valid' || !this.#run.edges.prover.demands(target.profile);
    if (isProven) this.#mustCheck = false;
    this.#state = isProven ? 'proven' : state === 'invalid' && !this.#mustCheck ? 'invalid' : 'held';
    this.#run.declareWait(WHO, this.isHeld ? waitOf(target) : null);
    if (this.isHeld && !this.#isAsking) {
      void this.#ask(target, state === 'invalid' ? 'now' : 'asked', signal).catch(this.#run.crash);
    }
  }

  async #ask(
    { webhookId }: Pick<DeliveryTarget, 'webhookId'>,
    first: ProofMoment,
    signal: AbortSignal,
  ): Promise<void> {
    this.#isAsking = true;
    let moment = first;
    while (this.isHeld && !signal.aborted) {
      // A database that is away has been told by the store; the loop asks again.
      const answer = await this.#run.edges.prover.prove(webhookId, moment).catch(() => 'busy' as const);
      if (answer !== 'busy') {
        this.#mustCheck = false;
        moment = 'asked';
      }
      if (!signal.aborted) await this.#lookAgain();
      if (this.isHeld) await pause(LOOK_AGAIN_MS, signal);
    }
    this.#isAsking = false;
  }
}

function waitOf({ validity, profile }: DeliveryTarget): string {
  const reason = validity.checks[0]?.reason ?? null;
  const last = reason === null ? '' : `; the last check failed: ${explainReason(reason, profile)}`;
  return `the webhook has to prove itself first${last}`;
}
