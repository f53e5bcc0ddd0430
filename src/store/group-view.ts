// A replay group summed up: its jobs by state, their counts, how far they are, and the webhooks that got none. Read by
// the group's own index; only jobs that are under way are looked at in more than numbers, and of their cuts only where
// they stand.

import { sql } from 'kysely';
import type { Kysely } from 'kysely';
import { REFUSED_SHOWN, SUMMED_COUNTS } from '../domain/group.ts';
import type { GroupRefusal, GroupState, GroupView, SummedCounts } from '../domain/group.ts';
import { asWebhookId } from '../domain/ids.ts';
import type { GroupId, TenantId } from '../domain/ids.ts';
import { JOB_STATES } from '../domain/job.ts';
import type { JobState, Pin } from '../domain/job.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import { selectGroup, summaryOf } from './groups.ts';
import type { Tables } from './schema.ts';
import { bigint, fromJsonOrNull } from './values.ts';

const TERMINAL: readonly JobState[] = statesTagged('terminal');
const LEASED: readonly JobState[] = statesTagged('leased');

export async function readGroup(
  db: Kysely<Tables>,
  tenant: TenantId,
  id: GroupId,
): Promise<GroupView | null> {
  const row = await selectGroup(db, tenant, id);
  if (!row) return null;
  const { pending, refused, refusedTotal } = await readMembers(db, id);
  const { jobs, counts } = await sumUp(db, id);
  const underWay = await readUnderWay(db, id);
  const ended = TERMINAL.reduce((sum, state) => sum + jobs[state], 0);
  const total = JOB_STATES.reduce((sum, state) => sum + jobs[state], 0);
  const live = total - ended;
  const done = ended + underWay.reduce((sum, job) => sum + passed(job), 0);
  const running = underWay.filter(({ state }) => LEASED.includes(state));
  const state: GroupState = pending > 0 ? 'creating' : live > 0 ? 'live' : 'ended';
  return {
    ...summaryOf(row),
    state,
    jobs,
    pending,
    counts,
    share: total + pending === 0 ? 1 : done / (total + pending),
    rate: running.reduce((sum, { rate }) => sum + (rate ?? 0), 0),
    etaMs: pending > 0 || running.length < live ? null : latestOf(running.map(({ etaMs }) => etaMs)),
    refused,
    refusedTotal,
  };
}

async function readMembers(db: Kysely<Tables>, id: GroupId) {
  const { rows } = await sql<{ state: string; members: string }>`
    SELECT state, COUNT(*) AS members FROM replay_group_members FORCE INDEX (replay_group_members_state)
    WHERE group_id = ${bigint(id)} GROUP BY state`.execute(db);
  const count = (of: string): number => Number(rows.find(({ state }) => state === of)?.members ?? 0);
  const named = await db
    .selectFrom('replay_group_members')
    .select(['webhook_id', 'refusal'])
    .where('group_id', '=', bigint(id))
    .where('state', '=', 'refused')
    .orderBy('webhook_id')
    .limit(REFUSED_SHOWN)
    .execute();
  const refused = named.map(({ webhook_id: webhook, refusal }) => ({
    webhookId: asWebhookId(webhook),
    code: refusal as GroupRefusal,
  }));
  return { pending: count('pending'), refused, refusedTotal: count('refused') };
}

type Sums = Readonly<Record<string, string | number | null>> & { readonly state: JobState };

async function sumUp(db: Kysely<Tables>, id: GroupId) {
  const sums = SUMMED_COUNTS.map(
    (name) => sql`SUM(JSON_EXTRACT(counts, ${sql.lit(`$.${name}`)})) AS ${sql.ref(name)}`,
  );
  const { rows } = await sql<Sums>`
    SELECT state, COUNT(*) AS jobs, ${sql.join(sums)} FROM replay_jobs FORCE INDEX (replay_jobs_group)
    WHERE group_id = ${id} GROUP BY state`.execute(db);
  const jobs = Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as Record<JobState, number>;
  for (const { state, jobs: count } of rows) jobs[state] = Number(count);
  const counts = Object.fromEntries(
    SUMMED_COUNTS.map((name) => [name, rows.reduce((sum, row) => sum + Number(row[name] ?? 0), 0)]),
  ) as unknown as SummedCounts;
  return { jobs, counts };
}

interface UnderWay {
  readonly state: JobState;
  readonly pins: readonly Pin[];
  /** Where the cut stands, per source. */
  readonly next: ReadonlyMap<string, number>;
  readonly rate: number | null;
  readonly etaMs: number | null;
}

async function readUnderWay(db: Kysely<Tables>, id: GroupId): Promise<readonly UnderWay[]> {
  const { rows } = await sql<Record<'pins' | 'sources' | 'nexts' | 'beat', unknown> & { state: JobState }>`
    SELECT state, pins, JSON_KEYS(cut) AS sources, JSON_EXTRACT(cut, '$.*.next') AS nexts, heartbeat AS beat
    FROM replay_jobs FORCE INDEX (replay_jobs_group)
    WHERE group_id = ${id} AND state NOT IN (${sql.join(TERMINAL)}) AND pins IS NOT NULL`.execute(db);
  return rows.map(({ state, pins, sources, nexts, beat }) => {
    const names = fromJsonOrNull<readonly string[]>(sources) ?? [];
    const offsets = fromJsonOrNull<readonly number[]>(nexts) ?? [];
    const told = fromJsonOrNull<{ rate?: number | null; etaMs?: number | null }>(beat);
    return {
      state,
      pins: fromJsonOrNull<readonly Pin[]>(pins) ?? [],
      next: new Map(names.map((name, index) => [name, offsets[index] ?? 0])),
      rate: told?.rate ?? null,
      etaMs: told?.etaMs ?? null,
    };
  });
}

/** From 0 to 1, by offsets; 0 while the end is not pinned. */
function passed({ pins, next }: UnderWay): number {
  let [done, all] = [0, 0];
  for (const { source, start, end, isLeft } of pins) {
    if (isLeft === true) continue;
    if (end === null) return 0;
    all += end - start;
    done += Math.min(end - start, Math.max(0, (next.get(source) ?? start) - start));
  }
  return all === 0 ? 0 : done / all;
}

/** null when one is not known. */
function latestOf(etas: readonly (number | null)[]): number | null {
  const known = etas.filter((eta) => eta !== null);
  return known.length < etas.length || known.length === 0 ? null : Math.max(...known);
}
