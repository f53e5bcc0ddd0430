import { expect, it } from 'vitest';
import { JOB_STATES } from '../../../src/domain/job.ts';
import { replayJobStatus } from '../../../src/domain/x-job-status.ts';

const job = { jobId: '1095098195724558337', webhookId: '1234577122340233217' };

it('a job that delivered everything is Complete', () => {
  expect(replayJobStatus({ ...job, state: 'COMPLETED', outcome: 'complete' })).toEqual({
    replay_job_status: {
      webhook_id: '1234577122340233217',
      job_state: 'Complete',
      job_state_description: 'Job completed successfully',
      job_id: '1095098195724558337',
    },
  });
});

it.each([
  ['COMPLETED', 'incomplete'],
  ['FAILED', null],
  ['CANCELLED', null],
] as const)('%s, %s: Incomplete', (state, outcome) => {
  expect(replayJobStatus({ ...job, state, outcome })).toEqual({
    replay_job_status: {
      webhook_id: '1234577122340233217',
      job_state: 'Incomplete',
      job_state_description: 'Job failed to deliver all events, please retry your replay job',
      job_id: '1095098195724558337',
    },
  });
});

it('nothing is told before the end', () => {
  const told = JOB_STATES.filter((state) => replayJobStatus({ ...job, state, outcome: null }) !== null);
  expect(told).toEqual(['COMPLETED', 'CANCELLED', 'FAILED']);
});
