// The completion event of X's Account Activity Replay API, for webhooks of profile x: all values are text.

import type { JobState, Outcome } from './job.ts';

export interface XJobStatus {
  readonly replay_job_status: {
    readonly webhook_id: string;
    readonly job_state: 'Complete' | 'Incomplete';
    readonly job_state_description: string;
    readonly job_id: string;
  };
}

export interface EndedJob {
  readonly jobId: string;
  readonly webhookId: string;
  readonly state: JobState;
  readonly outcome: Outcome | null;
}

/** The body of the event; null while the job has not ended (X has no word for a pause). */
export function replayJobStatus({ jobId, webhookId, state, outcome }: EndedJob): XJobStatus | null {
  if (state !== 'COMPLETED' && state !== 'FAILED' && state !== 'CANCELLED') return null;
  const isComplete = state === 'COMPLETED' && outcome === 'complete';
  return {
    replay_job_status: {
      webhook_id: webhookId,
      job_state: isComplete ? 'Complete' : 'Incomplete',
      job_state_description: isComplete
        ? 'Job completed successfully'
        : 'Job failed to deliver all events, please retry your replay job',
      job_id: jobId,
    },
  };
}
