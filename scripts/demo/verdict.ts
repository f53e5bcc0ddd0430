// The verdict of the demo, out of what the receiver answered with 2xx and nothing else of the product's own
// bookkeeping, except the bound that it promised.

export interface Verdict {
  readonly line: string;
  /** What went wrong; empty when nothing did. */
  readonly faults: readonly string[];
}

export function judge(
  missed: ReadonlySet<string>,
  received: ReadonlyMap<string, number>,
  bound: number,
  job: { readonly state: string; readonly outcome: string | null },
): Verdict {
  const lost = [...missed].filter((id) => !received.has(id));
  const foreign = [...received.keys()].filter((id) => !missed.has(id));
  let repeated = 0;
  for (const times of received.values()) repeated += times - 1;
  const delivered = missed.size - lost.length;
  const faults: string[] = [];
  if (lost.length > 0) faults.push(`lost: ${lost.slice(0, 5).join(', ')} ...`);
  if (foreign.length > 0) faults.push(`foreign: ${foreign.slice(0, 5).join(', ')} ...`);
  if (repeated > bound) faults.push(`${repeated} repeats are more than the bound of ${bound}`);
  if (job.state !== 'COMPLETED' || job.outcome !== 'complete') {
    faults.push(
      `the replay ended ${job.state} (${job.outcome ?? 'no outcome'}) instead of COMPLETED (complete)`,
    );
  }
  return {
    line:
      `replayed ${delivered} of ${missed.size} missed events: ` +
      `${lost.length} lost, ${foreign.length} foreign, ${repeated} repeated (bound ${bound})`,
    faults,
  };
}
