// What clients, owners and time do to the store, as commands: each asks the model first, does it for real, and
// demands the same answer.

import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import type { FactType } from '../../../src/domain/fact.ts';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { WebhookId } from '../../../src/domain/ids.ts';
import type { SteerRequest } from '../../../src/domain/replay-store.ts';
import type { LeaseKey } from '../../../src/domain/store.ts';
import { endLease, newReplay, rowOf, TENANT } from '../../support/database.ts';
import type { Stores } from '../../support/database.ts';
import { bareCut, BEAT, proposalOf } from '../../support/example.ts';
import type { Model, ModelJob } from './model.ts';

export interface Real extends Stores {
  readonly webhooks: readonly WebhookId[];
}

export type Command = fc.AsyncCommand<Model, Real>;
type Lease = 'own' | 'stale' | 'forged';

/** What each fact and each refusal was seen how often: a run that never gets anywhere proves nothing. */
export const seen = new Map<string, number>();
const saw = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);

const by = (name: string) => ({ instance: asInstanceId(name), leaseMs: 30_000, maxRepeat: 5 });

function must(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}

function leaseOf({ id, leases }: ModelJob, kind: Lease): LeaseKey {
  const none = { jobId: id, fence: 0, token: 'none' };
  if (kind === 'stale') return leases.at(-2) ?? none;
  return kind === 'own' ? (leases.at(-1) ?? none) : { ...(leases.at(-1) ?? none), token: 'forged' };
}

/** A refused write changes nothing at all. */
async function untouched(real: Real, job: ModelJob, write: () => Promise<unknown>): Promise<void> {
  const before = await rowOf(real.database, job.id);
  await write();
  must('the row after a refusal', await rowOf(real.database, job.id), before);
}

/** `check` says whether there is a job to do it to; `run` does it and compares. */
function command(name: string, isFirst: boolean, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: ({ jobs }) => isFirst || jobs.length > 0, run, toString: () => name };
}

export const request = (webhook: number): Command =>
  command(`request(${webhook})`, true, async (model, real) => {
    const id = real.webhooks[webhook];
    if (!id) throw new Error(`no webhook ${webhook}`);
    model.born((await newReplay(real.replays, id)).id, webhook);
  });

const claim = (owner: string): Command =>
  command(`claim(${owner})`, true, async (model, real) => {
    const job = model.claimable();
    const got = await real.jobs.claim(by(owner));
    must('claimed', got?.lease.jobId ?? null, job?.id ?? null);
    if (!got || !job) return;
    model.claimed(job, got.lease, owner);
    must('fence', got.lease.fence, job.fence);
    saw('CLAIMED');
  });

const reclaim = (owner: string, limit: number): Command =>
  command(`reclaim(${owner}, ${limit})`, true, async (model, real) => {
    const kept = model
      .lost()
      .slice(0, limit)
      .filter((job) => model.reclaimed(job, owner));
    const got = await real.jobs.reclaim(by(owner), limit);
    must(
      'reclaimed',
      got.map(({ lease }) => lease.jobId),
      kept.map(({ id }) => id),
    );
    for (const [n, { lease }] of got.entries()) {
      must('fence', lease.fence, kept[n]?.fence);
      kept[n]?.leases.push(lease);
      saw('RECLAIMED');
    }
  });

const expire = (pick: number): Command =>
  command(`expire(${pick})`, false, async (model, real) => {
    const job = model.owned(pick);
    model.expire(job);
    if (job.endedAt !== null) await endLease(real.database, job.id);
  });

const heartbeat = (pick: number, kind: Lease, progress: number): Command =>
  command(`heartbeat(${pick}, ${kind}, ${progress})`, false, async (model, real) => {
    const job = model.owned(pick);
    const lease = leaseOf(job, kind);
    const isHeld = model.holds(job, lease);
    const beat = async (): Promise<void> => {
      must('heartbeat', await real.jobs.heartbeat(lease, 30_000, progress, BEAT), isHeld ? 'held' : 'lost');
    };
    if (isHeld) model.beaten(job, progress);
    await (isHeld ? beat() : untouched(real, job, beat));
  });

const cut = (pick: number, kind: Lease, next: number): Command =>
  command(`cut(${pick}, ${kind}, ${next})`, false, async (model, real) => {
    const job = model.owned(pick);
    const lease = leaseOf(job, kind);
    const isHeld = model.holds(job, lease);
    const save = async (): Promise<void> => {
      must('cut', await real.jobs.saveCut(lease, bareCut(next)), isHeld ? 'saved' : 'fenced');
    };
    if (isHeld) job.progress = next;
    await (isHeld ? save() : untouched(real, job, save));
    saw(isHeld ? 'cut saved' : 'cut fenced');
  });

/** `wish` null = what the owner would say next. */
const commit = (pick: number, kind: Lease, wish: FactType | null, n: number, skew: number): Command =>
  command(`commit(${pick}, ${kind}, ${wish ?? 'next'}, ${n}, ${skew})`, false, async (model, real) => {
    const job = model.owned(pick);
    const lease = leaseOf(job, kind);
    const type = wish ?? model.nextFact(job);
    const expected = model.commit(job, lease, skew, type, n);
    const propose = async (): Promise<void> => {
      const write = n % 3 === 0 ? bareCut(n) : undefined;
      const result = await real.jobs.commit(job.id, proposalOf(type, lease.fence + skew, n), lease, write);
      must(`${type} in ${job.state}`, result.ok ? 'ok' : result.why, expected);
      if (result.ok && write) job.progress = write.progress;
    };
    await (expected === 'ok' ? propose() : untouched(real, job, propose));
    saw(expected === 'ok' ? type : expected);
  });

const steer = (pick: number, type: SteerRequest['type']): Command =>
  command(`steer(${pick}, ${type})`, false, async (model, real) => {
    const isResume = type === 'RESUME_REQUESTED';
    const job = isResume ? model.resumable(pick) : pick % 2 ? model.owned(pick) : model.at(pick);
    const expected = model.steer(job, type);
    const result = await real.replays.steer(TENANT, job.id, proposalOf(type, 0, 0) as SteerRequest);
    must(`${type} of ${job.id}`, result.ok ? 'ok' : result.why, expected);
    saw(expected === 'ok' ? type : expected);
  });

const look = (owner: string): Command =>
  command(`look(${owner})`, true, async (model, real) => {
    const looks = await real.jobs.look(asInstanceId(owner));
    const shown = looks.map(({ jobId, state, fence, wanted }) => ({ jobId, state, fence, wanted }));
    const expected = model
      .looked(owner)
      .map(({ id, state, fence, wanted }) => ({ jobId: id, state, fence, wanted }));
    const sorted = (list: typeof shown) => list.toSorted((a, b) => a.jobId.localeCompare(b.jobId));
    must(`what ${owner} sees`, sorted(shown), sorted(expected));
  });

const pick = fc.nat(3);
const owner = fc.constantFrom('a', 'b', 'c');
const kind = fc.constantFrom<Lease>('own', 'own', 'own', 'own', 'stale', 'forged');
const n = fc.nat(9);
const facts = fc.constantFrom<FactType>(
  ...(['OFFSETS_RESOLVED', 'CONTINUED', 'ENDS_PINNED', 'DRAINED', 'PAUSED', 'CANCELLED'] as const),
  ...([
    'RELEASED',
    'RELEASED',
    'NOTHING_TO_REPLAY',
    'FAILED',
    'FAILED',
    'CLAIMED',
    'RECLAIMED',
    'RESUMED',
  ] as const),
);
const requests = fc.constantFrom<SteerRequest['type']>(
  ...([
    'PAUSE_REQUESTED',
    'PAUSE_REQUESTED',
    'RESUME_REQUESTED',
    'RESUME_REQUESTED',
    'CANCEL_REQUESTED',
  ] as const),
);
const claims = owner.map(claim);
const working = fc.tuple(pick, n).map(([job, form]) => commit(job, 'own', null, form, 0));
const skew = fc.constantFrom(0, 0, 0, 1, -1);
const committing = fc.tuple(pick, kind, facts, n, skew).map((args) => commit(...args));

const expiries = pick.map(expire);
const reclaims = fc.tuple(owner, fc.integer({ min: 1, max: 3 })).map((args) => reclaim(...args));

/** As often as they are named: most of what happens to a job is claims and facts. */
export const arbitraries: fc.Arbitrary<Command>[] = [
  fc.nat(1).map(request),
  ...[claims, claims],
  ...[working, working, working, committing, committing],
  ...[expiries, expiries, reclaims, reclaims],
  fc.tuple(pick, kind, n).map((args) => heartbeat(...args)),
  fc.tuple(pick, kind, n).map((args) => cut(...args)),
  fc.tuple(pick, requests).map((args) => steer(...args)),
  owner.map(look),
];

/** Every job as the model has it. */
export async function compare(model: Model, real: Real): Promise<void> {
  const rows = await real.database.query<{
    id: string;
    state: string;
    fence: number;
    wanted: string;
    turn: number;
  }>('SELECT id, state, fence, wanted, turn FROM replay_jobs ORDER BY id');
  const expected = model.jobs.map(({ id, state, fence, wanted, turn }) => ({
    id,
    state,
    fence,
    wanted,
    turn: Number(turn),
  }));
  must(
    'the rows',
    rows,
    expected.sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1)),
  );
}
