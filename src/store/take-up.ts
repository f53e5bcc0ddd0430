// A new job for what another one left undone: its open dead letters, or everything. Under the webhook's lock, so
// that asking twice at once makes one job, and the second answer shows the first one's. What the job starts from is
// domain/undone; here is who may have it, and that the letters change hands in the same transaction.

import type { TakeUpRefusal, TakeUpRequest } from '../domain/dead-letter.ts';
import { formatOf } from '../domain/fact.ts';
import type { Fact, TakesUp } from '../domain/fact.ts';
import { newId } from '../domain/ids.ts';
import type { JobId, TenantId } from '../domain/ids.ts';
import { NO_COUNTS } from '../domain/job.ts';
import type { Counts, JobSpec, Position } from '../domain/job.ts';
import type { Cut } from '../domain/cut.ts';
import type { Once } from '../domain/once.ts';
import type { JobView } from '../domain/store.ts';
import { goneOf, lettersOf, possibleRepeats, remainderOf } from '../domain/undone.ts';
import type { TakenUp } from '../domain/undone.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import type { Database } from './database.ts';
import { hasOpenLetters, takeLetters } from './dead-letters.ts';
import { readFacts } from './history.ts';
import { bearJob, selectJob, viewWithGaps } from './replays.ts';
import type { ReplayJobRow } from './schema.ts';
import { onceInTransaction } from './once.ts';
import { keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { lockWebhook } from './turn.ts';
import { bigint, fromDatetime, fromJson } from './values.ts';
import { profileOf } from './proofs.ts';

type Answer = JobView | TakeUpRefusal;

export function takeUp(
  db: Database,
  tenant: TenantId,
  id: JobId,
  request: TakeUpRequest,
  once: Once<JobView> | null,
): Promise<Answer> {
  return onceInTransaction<JobView, TakeUpRefusal>(db, once, async (tx) => {
    const seen = await selectJob(tx, tenant, id);
    if (!seen) return undo('unknown_job');
    const webhook = await lockWebhook(tx, seen.webhook_id);
    if (!webhook || webhook.deleted_at !== null) return undo('no_webhook');
    // Again, under the lock: a doubted COMMIT, or somebody who asked at the same time.
    const earlier = await earlierChild(tx, tenant, id, request.kind);
    // Nothing is written but the key, if there is one: it goes on meaning this child.
    if (earlier) return keep(earlier);
    const parent = await lockParent(tx, tenant, id);
    if (!parent) return undo('unknown_job');
    const nowMs = fromDatetime(webhook.now);
    const child = newId(nowMs);
    // Taken first: what becomes open from here on is not this job's.
    const letters = await takeLetters(tx, id, child);
    const facts = await readFacts(tx, id, 0);
    const begun = beginningOf(parent, request.kind, letters, facts);
    if (typeof begun === 'string') return undo(begun);
    const { change, by, why } = request;
    const spec: JobSpec = {
      ...parent.spec,
      kind: request.kind,
      parentJobId: id,
      // A group has one job per webhook; what that one left undone is the client's own request.
      groupId: null,
      limits: { ...parent.limits, ...change },
    };
    const fact = {
      type: 'REQUESTED',
      spec,
      by,
      why,
      ...(begun.takesUp && { takesUp: begun.takesUp }),
    } as const;
    const view = await bearJob(tx, {
      id: child,
      tenant,
      fact,
      nowMs,
      settled: begun.settled,
      format: formatOf(spec, { profile: profileOf(webhook), takesUp: begun.takesUp !== null }),
    });
    return keep(view);
  });
}

/**
 * The one that does it already: a remainder is made once; letters are with one job at a time, and while none of
 * them is open, the child that has them is the answer.
 */
async function earlierChild(
  tx: Tx,
  tenant: TenantId,
  id: JobId,
  kind: TakeUpRequest['kind'],
): Promise<JobView | null> {
  const children = await tx
    .selectFrom('replay_jobs')
    .selectAll()
    .where('parent_job_id', '=', bigint(id))
    .where('tenant', '=', tenant)
    .orderBy('id', 'desc')
    .execute();
  const isRemainder = (row: ReplayJobRow): boolean => fromJson<JobSpec>(row.spec).kind === 'remainder';
  const isLive = ({ state }: ReplayJobRow): boolean => statesTagged('live').includes(state);
  const child =
    kind === 'remainder'
      ? children.find(isRemainder)
      : (await hasOpenLetters(tx, id))
        ? undefined
        : children.find(isLive);
  return child ? await viewWithGaps(tx, child) : null;
}

/** An ended job never moves again; the lock keeps it from being pruned meanwhile. */
async function lockParent(tx: Tx, tenant: TenantId, id: JobId): Promise<JobView | null> {
  const row = await tx
    .selectFrom('replay_jobs')
    .selectAll()
    .where('id', '=', bigint(id))
    .where('tenant', '=', tenant)
    .forUpdate()
    .executeTakeFirst();
  return row ? await viewWithGaps(tx, row) : null;
}

interface Beginning {
  /** null = from the start: nothing was pinned yet. */
  readonly takesUp: TakesUp | null;
  readonly settled: { readonly cut: Cut | null; readonly counts: Counts };
}

function beginningOf(
  parent: JobView,
  kind: TakeUpRequest['kind'],
  letters: readonly Position[],
  facts: readonly Fact[],
): Beginning | TakeUpRefusal {
  const { state, pins, site, partition, spec } = parent;
  const onlyLetters = kind === 'dead_letters' || spec.kind === 'dead_letters';
  if (kind === 'remainder' && !statesTagged('terminal').includes(state)) return 'not_ended';
  if (onlyLetters && letters.length === 0) return 'nothing_undone';
  if (!onlyLetters && parent.failReason === 'log_replaced') return 'log_replaced';
  if (pins === null || site === null || partition === null) {
    return { takesUp: null, settled: { cut: null, counts: NO_COUNTS } };
  }
  const leaving = { ...parent, pins };
  const taken = onlyLetters ? lettersOf(leaving, letters) : remainderOf(leaving, letters);
  if (!taken) return goneOf(parent).length > 0 ? 'gone' : 'nothing_undone';
  const boundAdded = onlyLetters ? 0 : Math.max(0, possibleRepeats(facts) - parent.counts.maybeRepeated);
  const { waitingUntilMs } = parent;
  return {
    takesUp: { site, partition, pins: taken.pins, waitingUntilMs, boundAdded },
    settled: settledOf(taken),
  };
}

/** What is owed already was matched once; every other event will be. */
function settledOf({ cut }: TakenUp) {
  const matched = Object.values(cut).reduce((sum, { owed }) => sum + owed.length, 0);
  return { cut, counts: { ...NO_COUNTS, matched } };
}
