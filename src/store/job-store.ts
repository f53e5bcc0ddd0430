// The owner's side of the store, as domain/store.ts draws it. Only wiring: each verb has its own file.

import type { InstanceId, WebhookId } from '../domain/ids.ts';
import type { JobStore } from '../domain/store.ts';
import { claimOne, reclaimSome } from './claim.ts';
import { commitFact } from './commit.ts';
import type { Database } from './database.ts';
import { pruneGroups } from './group-prune.ts';
import { readFacts } from './history.ts';
import { forgetSilentInstances, removeInstance, upsertInstance } from './instances.ts';
import { beat, writeCut } from './lease.ts';
import { lookAtLeased, readClock } from './look.ts';
import { pruneKeys } from './once.ts';
import { prunePlans } from './plans.ts';
import { pruneSome } from './prune.ts';
import { withRetries } from './retries.ts';
import { readTarget } from './webhook-reads.ts';

export function createJobStore(db: Database): JobStore {
  const { sessions, emit } = db;
  return {
    claim: (request) => claimOne(db, request),
    reclaim: (request, limit) => reclaimSome(db, request, limit),
    commit: (jobId, proposal, lease, write) =>
      commitFact(db, write ? { jobId, proposal, lease, write } : { jobId, proposal, lease }),
    saveCut: (lease, write) => writeCut(db, lease, write),
    heartbeat: (lease, leaseMs, progress, detail) => beat(db, lease, leaseMs, progress, detail),
    look: (instance) => withRetries(emit, () => lookAtLeased(sessions, instance)),
    factsAfter: (jobId, after) => withRetries(emit, () => readFacts(sessions, jobId, after)),
    target: (webhookId: WebhookId) => withRetries(emit, () => readTarget(sessions, webhookId)),
    instanceAlive: (id, detail) =>
      withRetries(emit, async () => {
        await upsertInstance(sessions, id, detail);
        await forgetSilentInstances(sessions);
      }),
    instanceGone: (id: InstanceId) => withRetries(emit, () => removeInstance(sessions, id)),
    prune: async (retentionMs, limit) => {
      await prunePlans(db);
      const jobs = await pruneSome(db, retentionMs, limit);
      if (jobs === 0) await pruneGroups(db, retentionMs);
      return jobs;
    },
    pruneKeys: (limit) => pruneKeys(db, limit),
    nowMs: () => withRetries(emit, () => readClock(sessions)),
  };
}
