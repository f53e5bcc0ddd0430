// The transitions table: append and read. Facts are never changed or removed. The place to upcast facts of
// older versions is `factOf`: on read, so that a history is never migrated.

import type { Fact } from '../domain/fact.ts';
import type { JobState } from '../domain/job.ts';
import type { Page, PageRequest, Transition } from '../domain/replay-store.ts';
import type { Decided } from '../machines/replay-job/decide.ts';
import type { JobTransitionRow, Tables } from './schema.ts';
import type { Kysely } from 'kysely';
import type { Tx } from './transaction.ts';
import { bigint, clip, cursorOf, fromDatetime, fromJson, toDatetime, toJson } from './values.ts';

const WHO_LENGTH = 255;
const WHY_LENGTH = 1024;

/** What will have happened: the facts in order, each with the state it leads to. */
export interface Foreseen {
  readonly steps: readonly { readonly fact: Fact; readonly job: Decided }[];
  readonly last: Decided;
}

/** `before` null = the job is being born. */
export async function insertFacts(
  tx: Tx,
  jobId: string,
  before: { readonly state: JobState; readonly owner: string | null } | null,
  { steps }: Foreseen,
  tag: string,
): Promise<void> {
  const rows = steps.map(({ fact, job }, index) => ({
    job_id: bigint(jobId),
    seq: fact.seq,
    type: fact.type,
    from_state: steps[index - 1]?.job.state ?? before?.state ?? null,
    to_state: job.state,
    fence: job.context.fence,
    // Whose deed it was: a fact that ends a lease is still its owner's.
    owner: 'owner' in fact ? fact.owner : (steps[index - 1]?.job.context.owner ?? before?.owner ?? null),
    by_whom: whoAsked(fact),
    why: 'why' in fact && fact.why !== undefined ? clip(fact.why, WHY_LENGTH) : null,
    body: toJson(fact),
    tx_tag: tag,
    at: toDatetime(fact.atMs),
  }));
  await tx.insertInto('job_transitions').values(rows).execute();
}

/** SITE_SWITCHED's `by` is a method, not a person. */
function whoAsked(fact: Fact): string | null {
  return 'by' in fact && fact.type !== 'SITE_SWITCHED' ? clip(fact.by, WHO_LENGTH) : null;
}

/** Facts of one transaction, in order; none = it was not committed. */
export async function factsTagged(tx: Tx, jobId: string, tag: string) {
  const rows = await tx
    .selectFrom('job_transitions')
    .select(['body', 'to_state'])
    .where('job_id', '=', bigint(jobId))
    .where('tx_tag', '=', tag)
    .orderBy('seq')
    .execute();
  return rows.map((row) => ({ fact: factOf(row.body), state: row.to_state }));
}

export async function readFacts(db: Kysely<Tables>, jobId: string, after: number): Promise<readonly Fact[]> {
  const rows = await db
    .selectFrom('job_transitions')
    .select('body')
    .where('job_id', '=', bigint(jobId))
    .where('seq', '>', after)
    .orderBy('seq')
    .execute();
  return rows.map((row) => factOf(row.body));
}

/** Oldest first. */
export async function readTransitions(
  db: Kysely<Tables>,
  jobId: string,
  { limit, cursor }: PageRequest,
): Promise<Page<Transition>> {
  const rows = await db
    .selectFrom('job_transitions')
    .selectAll()
    .where('job_id', '=', bigint(jobId))
    .where('seq', '>', cursor === null ? 0 : Number(cursorOf(cursor)))
    .orderBy('seq')
    .limit(limit + 1)
    .execute();
  const items = rows.slice(0, limit).map(transitionOf);
  return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.seq) : null };
}

export function transitionOf(row: JobTransitionRow): Transition {
  return {
    seq: row.seq,
    type: row.type,
    from: row.from_state,
    to: row.to_state,
    fence: row.fence,
    owner: row.owner,
    atMs: fromDatetime(row.at),
    by: row.by_whom,
    why: row.why,
    body: factOf(row.body),
  };
}

const factOf = (body: unknown): Fact => fromJson<Fact>(body);
