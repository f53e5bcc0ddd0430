// The receiver of a bench in a process of its own, so that its memory and CPU time do not count for the
// instance, nor its event loop for the bench. Ends with the process that forked it.
//   argv[2]: milliseconds until it answers

import { Receiver } from '../support/receiver.ts';

/** `first`: the first event of a job is here, by the machine's monotonic and its wall clock. */
export type FromReceiver =
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'first'; readonly jobId: string; readonly monoMs: number; readonly wallMs: number }
  | { readonly type: 'totals'; readonly accepted: number; readonly distinct: number };

function say(message: FromReceiver): void {
  process.send?.(message);
}

const delayMs = Number(process.argv[2] ?? 0);
const seen = new Set<string>();
const receiver = await Receiver.start({
  storeBodies: false,
  keep: 10,
  answer: ({ headers }) => {
    const jobId = String(headers['reprise-job-id']);
    if (!seen.has(jobId)) {
      seen.add(jobId);
      say({ type: 'first', jobId, monoMs: Number(process.hrtime.bigint()) / 1e6, wallMs: Date.now() });
    }
    return delayMs > 0 ? { status: 200, delayMs } : { status: 200 };
  },
});
process.on('message', () => {
  say({ type: 'totals', accepted: receiver.accepted, distinct: receiver.distinctIds });
});
process.on('disconnect', () => process.exit(0));
say({ type: 'listening', url: receiver.url });
