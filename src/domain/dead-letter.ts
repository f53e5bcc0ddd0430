// The second life of dead letters: words for sending them again, and for taking up what a job left undone. There
// is one row per dead letter, whoever tries it: `open` until a job takes it (`replaying`), then `delivered`, open
// again, or `expired` when its record is gone from the log. So nothing is sent twice however often it is asked.

import type { JobId, SourceName } from './ids.ts';
import type { DeadLetter, Limits } from './job.ts';

export const DEAD_LETTER_STATES = ['open', 'replaying', 'delivered', 'expired'] as const;
export type DeadLetterState = (typeof DEAD_LETTER_STATES)[number];

/** A dead letter that a job is to send again; `jobId` is the job that gave it up first. */
export interface LetterAgain {
  readonly jobId: JobId;
  readonly source: SourceName;
  readonly partition: number;
  readonly offset: number;
  readonly eventId: string;
}

/** `delivered`; `again`: given up once more, it will be open when the job ends; `expired`: gone from the log. */
export type LetterFate =
  | { readonly letter: LetterAgain; readonly kind: 'delivered' | 'expired' }
  | ({ readonly letter: LetterAgain; readonly kind: 'again' } & Pick<
      DeadLetter,
      'reason' | 'lastStatus' | 'attempts'
    >);

/** One dead letter as clients see it. */
export interface DeadLetterView extends DeadLetter {
  readonly jobId: JobId;
  readonly state: DeadLetterState;
  /** The job that sends it again, or did last. */
  readonly byJobId: JobId | null;
}

export interface TakeUpRequest {
  readonly kind: 'dead_letters' | 'remainder';
  /** What is absent stays as the job has it. */
  readonly change: Partial<Limits>;
  readonly by: string;
  readonly why: string;
}

/** `gone`: what is missing was removed from the log. */
export type TakeUpRefusal =
  'unknown_job' | 'no_webhook' | 'not_ended' | 'log_replaced' | 'nothing_undone' | 'gone';
