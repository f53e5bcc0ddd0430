// What every JobStore promises, case by case, asked of the real one and of the one in memory.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fact } from '../../../src/domain/fact.ts';
import { asInstanceId, asJobId } from '../../../src/domain/ids.ts';
import type { SteerRequest } from '../../../src/domain/replay-store.ts';
import type { Claim } from '../../../src/domain/store.ts';
import { CRASH_LOOP_RECLAIMS } from '../../../src/machines/replay-job/decide.ts';
import { freshStores, TENANT } from '../../support/database.ts';
import type { Stores } from '../../support/database.ts';
import { bareCut, BEAT, fullCut, proposalOf } from '../../support/example.ts';
import { by, inMemory, real } from './contract-subjects.ts';
import type { Subject } from './contract-subjects.ts';

let stores: Stores;
beforeAll(async () => {
  stores = await freshStores();
});
afterAll(() => stores.database.drop());

const asked = { by: 'op', why: 'test' };

async function claimed({ jobs }: Subject, name = 'a'): Promise<Claim> {
  const claim = await jobs.claim(by(name));
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

async function ongoing(subject: Subject): Promise<Claim> {
  const claim = await claimed(subject);
  const done = await subject.jobs.commit(subject.id, proposalOf('OFFSETS_RESOLVED', 1, 1), claim.lease);
  expect(done).toMatchObject({ ok: true, state: 'ONGOING', facts: [{ seq: 3 }] });
  return claim;
}

const types = (facts: readonly Fact[]): string[] => facts.map(({ type }) => type);

describe.each([
  ['the real store', () => real(stores)],
  ['the store in memory', inMemory],
] as const)('%s', (_name, open) => {
  it('gives a job once, with fence 1 and a lease', async () => {
    const subject = await open();
    const { lease, job, letters, minutes } = await claimed(subject);
    expect(lease).toMatchObject({ jobId: subject.id, fence: 1 });
    expect(job).toMatchObject({
      state: 'STARTED',
      version: 2,
      owner: 'a',
      maxRepeat: 10,
      cut: null,
      gaps: [],
    });
    expect((job.leaseUntilMs ?? 0) - (await subject.jobs.nowMs())).toBeGreaterThan(20_000);
    expect([letters, minutes]).toEqual([[], []]);
    expect(await subject.jobs.claim(by('b'))).toBeNull();
    expect(await subject.jobs.reclaim(by('b'), 8)).toEqual([]);
    expect(await subject.clients.replay(TENANT, subject.id)).toEqual(job);
    expect(types(await subject.jobs.factsAfter(subject.id, 0))).toEqual(['REQUESTED', 'CLAIMED']);
  });

  it('refuses a wrong token, a stale fence, an illegal fact and an unknown job as values', async () => {
    const subject = await open();
    const { jobs, id } = subject;
    const { lease } = await claimed(subject);
    const resolved = proposalOf('OFFSETS_RESOLVED', 1, 1);
    const refused = { ok: false, why: 'fenced', state: 'STARTED' };
    for (const wrong of [
      { ...lease, token: 'x' },
      { ...lease, fence: 0 },
    ]) {
      expect(await jobs.commit(id, resolved, wrong, bareCut(3))).toEqual(refused);
      expect(await jobs.heartbeat(wrong, 30_000, 1, BEAT)).toBe('lost');
      expect(await jobs.saveCut(wrong, bareCut(3))).toBe('fenced');
    }
    for (const type of ['CONTINUED', 'CLAIMED', 'RECLAIMED', 'REQUESTED', 'RESUMED'] as const) {
      const illegal = { ok: false, why: 'illegal', state: 'STARTED' };
      expect(await jobs.commit(id, proposalOf(type, 1, 1), lease, bareCut(3)), type).toEqual(illegal);
    }
    const absent = asJobId('1234567');
    const unknown = { ok: false, why: 'unknown_job', state: null };
    expect(await jobs.commit(absent, resolved, { ...lease, jobId: absent })).toEqual(unknown);
    expect(await subject.clients.steer(TENANT, absent, { type: 'PAUSE_REQUESTED', ...asked })).toEqual(
      unknown,
    );
    expect(await subject.clients.replay(TENANT, absent)).toBeNull();
    expect(await subject.clients.replay(TENANT, id)).toMatchObject({ version: 2, cut: null, progress: 0 });
  });

  it('keeps all of a cut, with a fact or alone, as absolute values', async () => {
    const subject = await open();
    const { lease } = await ongoing(subject);
    const grown = { ...fullCut(40), gaps: [{ ...fullCut(40).gaps[0], to: 9 }] } as ReturnType<typeof fullCut>;
    for (const write of [fullCut(40), grown, fullCut(40)]) {
      expect(await subject.jobs.saveCut(lease, write)).toBe('saved');
    }
    const { cut, counts, minutes } = fullCut(40);
    const shown = { cut, counts, progress: 40, gaps: grown.gaps, version: 3 };
    expect(await subject.clients.replay(TENANT, subject.id)).toMatchObject(shown);
    const released = await subject.jobs.commit(subject.id, proposalOf('RELEASED', 1, 1), lease, fullCut(41));
    expect(released).toMatchObject({ ok: true, state: 'OPEN', facts: [{ ...pick(fullCut(41)), seq: 4 }] });
    const again = await claimed(subject, 'b');
    expect(again.job).toMatchObject({ ...pick(fullCut(41)), fence: 2, gaps: grown.gaps });
    expect(again.minutes.map(({ minute }) => minute)).toEqual(minutes.map(({ minute }) => minute));
  });

  it('gives an ended lease away once; its owner changes nothing any more', async () => {
    const subject = await open();
    const old = await ongoing(subject);
    await subject.jobs.saveCut(old.lease, fullCut(40));
    await subject.jobs.heartbeat(old.lease, 30_000, 41, BEAT);
    await subject.endLease();
    const [claim, ...others] = await subject.jobs.reclaim(by('b'), 8);
    expect(others).toEqual([]);
    expect(claim?.job).toMatchObject({
      owner: 'b',
      fence: 2,
      reclaims: 1,
      duplicateBound: 10,
      heartbeat: null,
    });
    expect(claim?.job).toMatchObject({ ...pick(fullCut(40)), state: 'STARTED', progressAtClaim: 41 });
    const before = await subject.clients.replay(TENANT, subject.id);
    const drained = proposalOf('DRAINED', 1, 1);
    const refused = { ok: false, why: 'fenced', state: 'STARTED' };
    expect(await subject.jobs.commit(subject.id, drained, old.lease, fullCut(99))).toEqual(refused);
    expect(await subject.jobs.saveCut(old.lease, fullCut(99))).toBe('fenced');
    expect(await subject.jobs.heartbeat(old.lease, 30_000, 99, BEAT)).toBe('lost');
    expect(await subject.clients.replay(TENANT, subject.id)).toEqual(before);
    expect(await subject.jobs.reclaim(by('c'), 8)).toEqual([]);
  });

  it.each([
    ['PAUSE_REQUESTED', 'PAUSED'],
    ['CANCEL_REQUESTED', 'CANCELLED'],
  ] as const)(
    '%s: at once without an owner, else by the owner, its release or its loss',
    async (type, state) => {
      const request: SteerRequest = { type, ...asked };
      for (const way of ['at once', 'owner', 'release', 'loss'] as const) {
        const subject = await open();
        const { jobs, clients, id } = subject;
        if (way === 'at once') {
          const done = await clients.steer(TENANT, id, request);
          expect(done.ok && types(done.facts)).toEqual([type, state]);
        } else {
          const { lease } = await ongoing(subject);
          expect(await clients.steer(TENANT, id, request)).toMatchObject({ ok: true, state: 'ONGOING' });
          const wanted = type === 'PAUSE_REQUESTED' ? 'pause' : 'cancel';
          const look = { jobId: id, version: 4, state: 'ONGOING', fence: 1, wanted, webhookVersion: 1 };
          expect(await jobs.look(asInstanceId('a'))).toEqual([look]);
          expect(await jobs.look(asInstanceId('b'))).toEqual([]);
          await subject[way === 'loss' ? 'endLease' : 'age'](0);
          if (way === 'loss') expect(await jobs.reclaim(by('b'), 8)).toEqual([]);
          else {
            const own = way === 'owner' ? state : 'RELEASED';
            const done = await jobs.commit(id, proposalOf(own, 1, 1), lease, bareCut(5));
            expect(done.ok && types(done.facts)).toEqual(way === 'owner' ? [state] : ['RELEASED', state]);
          }
        }
        const ended = { state, wanted: null, owner: null, maxRepeat: 0, leaseUntilMs: null, heartbeat: null };
        expect(await clients.replay(TENANT, id), way).toMatchObject(ended);
        expect(await jobs.look(asInstanceId('a'))).toEqual([]);
      }
    },
  );

  it('gives a job up whose owners are lost without progress', async () => {
    const subject = await open();
    await claimed(subject);
    for (let n = 1; n < CRASH_LOOP_RECLAIMS; n++) {
      await subject.endLease();
      expect(await subject.jobs.reclaim(by('b'), 8)).toHaveLength(1);
    }
    await subject.endLease();
    expect(await subject.jobs.reclaim(by('b'), 8)).toEqual([]);
    const view = await subject.clients.replay(TENANT, subject.id);
    expect(view).toMatchObject({ state: 'FAILED', failReason: 'crash_loop', fence: 1 + CRASH_LOOP_RECLAIMS });
  });

  it('changes the limits that are named and keeps the others', async () => {
    const { clients, jobs, id } = await open();
    const type = 'LIMITS_CHANGED';
    await clients.steer(TENANT, id, { type, change: { maxRate: 7 }, ...asked });
    await clients.steer(TENANT, id, { type, change: { concurrency: 3 }, ...asked });
    const [, last] = await jobs.factsAfter(id, 1);
    expect(last).toMatchObject({ type, limits: { maxRate: 7, concurrency: 3 } });
    expect(last).not.toHaveProperty('change');
  });

  it('prunes what ended long enough ago, and nothing else', async () => {
    const subject = await open();
    const { lease } = await ongoing(subject);
    await subject.age(100_000);
    expect(await subject.jobs.prune(50_000, 1)).toBe(0);
    await subject.jobs.heartbeat(lease, 30_000, 1, BEAT);
    await subject.jobs.commit(subject.id, proposalOf('DRAINED', 1, 1), lease, fullCut(9));
    expect(await subject.jobs.prune(50_000, 1)).toBe(0);
    await subject.age(60_000);
    expect(await subject.jobs.prune(50_000, 0)).toBe(0);
    expect(await subject.jobs.prune(50_000, 1)).toBe(1);
    expect(await subject.clients.replay(TENANT, subject.id)).toBeNull();
    expect(await subject.jobs.factsAfter(subject.id, 0)).toEqual([]);
    expect(await subject.jobs.prune(50_000, 1)).toBe(0);
  });
});

const pick = ({ cut, counts }: ReturnType<typeof fullCut>) => ({ cut, counts });
