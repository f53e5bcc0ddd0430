// Random scripts of owners, clients and time, played to the real store and to the one in memory: every answer and
// every view must be the same. So the fake that the actors' tests trust cannot drift.

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FACT_TYPES } from '../../../src/domain/fact.ts';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { JobId } from '../../../src/domain/ids.ts';
import type { SteerRequest } from '../../../src/domain/replay-store.ts';
import type { LeaseKey } from '../../../src/domain/store.ts';
import { freshStores, TENANT } from '../../support/database.ts';
import type { Stores } from '../../support/database.ts';
import { BEAT, fullCut, proposalOf } from '../../support/example.ts';
import { by, inMemory, real } from './contract-subjects.ts';
import type { Subject } from './contract-subjects.ts';

let stores: Stores;
beforeAll(async () => {
  stores = await freshStores();
});
afterAll(() => stores.database.drop());

const lease = fc.constantFrom('own', 'own', 'own', 'stale', 'forged');
const n = fc.nat(9);
const step = fc.oneof(
  fc.record({ do: fc.constant('claim' as const) }),
  fc.record({ do: fc.constant('lose' as const) }),
  fc.record({ do: fc.constant('reclaim' as const), limit: fc.nat(2) }),
  fc.record({ do: fc.constantFrom('cut' as const, 'beat' as const), lease, n }),
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      lease,
      n,
      type: fc.constantFrom(...FACT_TYPES, 'OFFSETS_RESOLVED', 'CONTINUED', 'RELEASED'),
      cut: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('steer' as const),
      n,
      type: fc.constantFrom('PAUSE_REQUESTED', 'RESUME_REQUESTED', 'RESUME_REQUESTED', 'CANCEL_REQUESTED'),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** Plays a script and tells all answers, without what may differ: ids, tokens, times. */
async function answersOf(subject: Subject, steps: readonly Step[]): Promise<readonly unknown[]> {
  const leases: LeaseKey[] = [];
  const answers: unknown[] = [];
  for (const each of steps) {
    const key = leaseOf(leases, subject.id, 'lease' in each ? each.lease : 'own');
    answers.push([each.do, comparable(await answerOf(subject, each, key, leases))]);
    const view = await subject.clients.replay(TENANT, subject.id);
    answers.push(comparable([view, await subject.jobs.look(asInstanceId('a'))]));
  }
  answers.push(comparable(await subject.jobs.factsAfter(subject.id, 0)));
  return answers;
}

function leaseOf(given: readonly LeaseKey[], id: JobId, kind: 'own' | 'stale' | 'forged'): LeaseKey {
  const none = { jobId: id, fence: 0, token: 'none' };
  if (kind === 'stale') return given.at(-2) ?? none;
  return kind === 'own' ? (given.at(-1) ?? none) : { ...(given.at(-1) ?? none), token: 'forged' };
}

async function answerOf(subject: Subject, each: Step, key: LeaseKey, leases: LeaseKey[]): Promise<unknown> {
  const { jobs, clients, id } = subject;
  switch (each.do) {
    case 'claim': {
      const claim = await jobs.claim(by());
      if (claim) leases.push(claim.lease);
      return claim;
    }
    case 'lose':
      return subject.endLease();
    case 'reclaim': {
      const claims = await jobs.reclaim(by('b'), each.limit);
      leases.push(...claims.map((claim) => claim.lease));
      return claims;
    }
    case 'cut':
      return jobs.saveCut(key, fullCut(each.n + 2));
    case 'beat':
      return jobs.heartbeat(key, 30_000, each.n, BEAT);
    case 'commit': {
      const proposal = proposalOf(each.type, key.fence, each.n);
      return jobs.commit(id, proposal, key, each.cut ? fullCut(each.n + 2) : undefined);
    }
    case 'steer':
      return clients.steer(TENANT, id, proposalOf(each.type, 0, each.n) as SteerRequest);
  }
}

const DIFFERENT = new Set(['id', 'jobId', 'tenant', 'token', 'webhookId', 'key', 'by', 'atMs']);

/** Times only by whether there is one. */
function comparable(answer: unknown): unknown {
  if (answer === undefined) return null;
  return JSON.parse(
    JSON.stringify(answer, (name, part: unknown) => {
      if (DIFFERENT.has(name)) return undefined;
      return /^(lease|heartbeat|created|updated).*Ms$/.test(name) ? part !== null : part;
    }),
  ) as unknown;
}

it('any script gets the same answers from both', async () => {
  const scripts = fc.array(step, { minLength: 10, maxLength: 30, size: 'max' });
  const same = fc.asyncProperty(scripts, async (steps) => {
    const expected = await answersOf(await real(stores), steps);
    expect(await answersOf(await inMemory(), steps)).toEqual(expected);
  });
  await fc.assert(same, { numRuns: 30 });
}, 60_000);
