// The API's side of the store, as domain/store.ts draws it. Only wiring: each verb has its own function.

import type { ReplayStore } from '../domain/replay-store.ts';
import { commitFact } from './commit.ts';
import { unmetOf } from './conditions.ts';
import type { Database } from './database.ts';
import { readDeadLetters } from './dead-letters.ts';
import { readGauges } from './gauges.ts';
import type { StoreGauges } from './gauges.ts';
import { createGroupStore } from './group-store.ts';
import type { Partitions } from './group-work.ts';
import { readClock } from './look.ts';
import { readManifest } from './manifest.ts';
import { readUsedKey } from './once.ts';
import { insertPlan, readPlan, readReplaysBeside, runPlan } from './plans.ts';
import { readReplays } from './replay-list.ts';
import { insertReplay, readReplay, readReplayTransitions } from './replays.ts';
import { withRetries } from './retries.ts';
import { takeUp } from './take-up.ts';
import { lookAt, readJobs, readTransitionsOf } from './watch.ts';
import { readWebhook, readWebhooks } from './webhook-reads.ts';
import { changeWebhook, createWebhook, removeWebhook } from './webhooks.ts';

export function createReplayStore(
  db: Database,
  partitions?: Partitions,
): ReplayStore & { gauges(): Promise<StoreGauges> } {
  const { sessions, emit } = db;
  const reading = <Value>(read: () => Promise<Value>): Promise<Value> => withRetries(emit, read);
  return {
    usedKey: (tenant, key) => reading(() => readUsedKey(sessions, tenant, key)),
    createWebhook: (tenant, draft, once = null) => createWebhook(db, tenant, draft, once),
    webhook: (tenant, id) => reading(() => readWebhook(sessions, tenant, id)),
    webhooks: (tenant, page) => reading(() => readWebhooks(sessions, tenant, page)),
    patchWebhook: (tenant, id, patch, versions = null) => changeWebhook(db, tenant, id, patch, versions),
    deleteWebhook: (tenant, id) => removeWebhook(db, tenant, id),
    requestReplay: (tenant, webhookId, spec, by, once = null) =>
      insertReplay(db, { tenant, webhookId, asked: spec, by, once }),
    requestReplayIf: (tenant, webhookId, spec, by, conditions) =>
      insertReplay(db, { tenant, webhookId, asked: spec, by, once: null }, unmetOf(conditions)),
    createPlan: (tenant, draft, ttlMs) => insertPlan(db, tenant, draft, ttlMs),
    plan: (tenant, id) => reading(() => readPlan(sessions, tenant, id)),
    runPlan: (tenant, webhookId, spec, by, once = null) =>
      runPlan(db, { tenant, webhookId, asked: spec, by, once }),
    replaysBeside: (tenant, webhookId, range) =>
      reading(() => readReplaysBeside(sessions, tenant, webhookId, range)),
    replay: (tenant, id) => reading(() => readReplay(sessions, tenant, id)),
    replays: (tenant, page, filter) => reading(() => readReplays(sessions, tenant, page, filter)),
    transitions: (tenant, id, page) => reading(() => readReplayTransitions(sessions, tenant, id, page)),
    manifest: (tenant, id, page) => reading(() => readManifest(sessions, tenant, id, page)),
    deadLetters: (tenant, id, page) => reading(() => readDeadLetters(sessions, tenant, id, page)),
    takeUp: (tenant, id, request, once = null) => takeUp(db, tenant, id, request, once),
    steer: (tenant, jobId, request, versions = null) =>
      commitFact(db, { jobId, proposal: request, tenant, versions }),
    lookAt: (ids) => reading(() => lookAt(sessions, ids)),
    jobs: (ids) => reading(() => readJobs(sessions, ids)),
    transitionsAfter: (wanted, limit) => reading(() => readTransitionsOf(sessions, wanted, limit)),
    groups: createGroupStore(db, partitions),
    ping: async () => {
      await reading(() => readClock(sessions));
    },
    nowMs: () => reading(() => readClock(sessions)),
    gauges: () => readGauges(db),
  };
}
