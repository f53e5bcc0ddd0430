// The completion events that webhooks receive, for the API's description: one per type for webhooks of profile
// standard, and X's one form for those of profile x.

import { Type } from 'typebox';
import type { CompletionType } from '../domain/completion.ts';
import type { CompletionEvent } from '../domain/completion-body.ts';
import type { XJobStatus } from '../domain/x-job-status.ts';
import { completionEvent } from './completion-events.ts';
import { shownManifest } from './example-manifest.ts';
import { text } from './fields.ts';
import { header, signed, X_SIGNATURE } from './received.ts';

const ID = [
  '`reprise_<replay>_<seq of the transition>`: the same at each attempt. An event comes at least once: drop ids that ' +
    'you know.',
  'reprise_882705129484288003_9',
] as const;

const ATTEMPT = header('reprise-attempt', '1, 2, 3 ... of this event.', '1');
const typeHeader = (type: string) =>
  header('reprise-notification', 'The type; a replayed event never has this header.', type);

const ANSWERS = {
  '2XX': { description: 'Taken: it is not sent again.' },
  '410': { description: 'The endpoint is gone: it is not sent again.' },
  default: { description: 'Sent again, with growing pauses, for `REPRISE_COMPLETION_RETRY_MS`.' },
};

const { nextCursor: _nextCursor, ...whole } = shownManifest;
const lists = { gapCount: whole.gaps.length, minuteCount: whole.minutes.length };

/** An event about the example's replay that says `changes` of it. */
const exampleOf = (
  type: CompletionType,
  changes: Partial<CompletionEvent['data']> = {},
): CompletionEvent => ({
  type,
  timestamp: whole.updatedAt,
  data: { ...whole, ...lists, ...changes },
});

/** A job that may go on has no lists yet. */
const NO_LISTS = { final: false, sources: null, gaps: null, minutes: null };

function told(summary: string, example: CompletionEvent): object {
  return signed({
    summary,
    description:
      `Sent to webhooks of profile \`standard\` whose \`notifications\` have \`${example.type}\`. The data is the ` +
      'replay’s manifest; what makes it longer than 256 KiB is null, and `data.manifest` is the path to all of it.',
    content: { 'application/json': { schema: completionEvent, example } },
    headers: [typeHeader(example.type), ATTEMPT],
    id: ID,
    responses: ANSWERS,
  });
}

const statusFields = {
  webhook_id: text('the webhook'),
  job_state: Type.Enum(['Complete', 'Incomplete'], {
    description:
      'Complete: all of the range was delivered; Incomplete: gaps, dead letters, failed or cancelled',
  }),
  job_state_description: text('the same in X’s words'),
  job_id: text('the replay'),
};
const xJobStatus = Type.Object(
  { replay_job_status: Type.Object(statusFields, { description: 'how the replay ended' }) },
  { title: 'XJobStatus', description: 'X’s completion event; all values are texts' },
);
const xExample: XJobStatus = {
  replay_job_status: {
    webhook_id: whole.webhookId,
    job_state: 'Complete',
    job_state_description: 'Job completed successfully',
    job_id: whole.replayId,
  },
};

export const COMPLETIONS: Readonly<Record<CompletionType | 'replay_job_status', object>> = {
  'replay.completed': told('A replay came to its end', exampleOf('replay.completed')),
  'replay.failed': told(
    'A replay failed',
    exampleOf('replay.failed', { state: 'FAILED', outcome: null, failReason: 'log_replaced' }),
  ),
  'replay.cancelled': told(
    'A replay was cancelled',
    exampleOf('replay.cancelled', { state: 'CANCELLED', outcome: null }),
  ),
  'replay.paused': told(
    'A replay was paused, by request or by itself',
    exampleOf('replay.paused', { state: 'PAUSED', outcome: null, pauseReason: 'endpoint_gone', ...NO_LISTS }),
  ),
  replay_job_status: signed({
    summary: 'A replay ended, in X’s words',
    description:
      'Sent to webhooks of profile `x` in place of the other completion events, when their `notifications` have the ' +
      'type. A pause is not told.',
    content: { 'application/json': { schema: xJobStatus, example: xExample } },
    headers: [{ ...X_SIGNATURE, required: true }, typeHeader('replay.completed'), ATTEMPT],
    id: ID,
    responses: ANSWERS,
  }),
};
