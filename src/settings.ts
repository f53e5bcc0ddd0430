// What each part takes of the configuration, and the numbers beside it that nobody sets.

import type { ActorSettings } from './actors/edges.ts';
import type { XSettings } from './api/x-wiring.ts';
import type { Config } from './config.ts';
import type { InstanceId } from './domain/ids.ts';

const RETRY_AFTER_CAP_MS = 300_000;
const FAILURES_IN_A_ROW = 10;
const STREAMS = { pollMs: 300, heartbeatMs: 15_000, stallMs: 30_000 };

export function apiSettings({
  lookbackMs,
  maxRate,
  disorderSlackMs,
  eventIdentity,
  settleMs,
  planTtlMs,
}: Config) {
  return { lookbackMs, maxRate, disorderSlackMs, identity: eventIdentity, settleMs, planTtlMs };
}

export function proofPolicy(config: Config) {
  return {
    mode: config.webhookProof,
    attempts: config.webhookProofAttempts,
    retryMs: config.webhookProofRetryMs,
    intervalMs: { standard: config.webhookProofIntervalMs, x: config.webhookProofXIntervalMs },
  };
}

export function actorSettings(config: Config, instance: InstanceId): ActorSettings {
  return {
    instance,
    leaseMs: config.leaseMs,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    cutIntervalMs: config.cutIntervalMs,
    settleMs: config.settleMs,
    siteDownMs: config.siteDownMs,
    mirrorWaitMs: config.mirrorWaitMs,
    maxRepeat: config.maxRepeat,
    maxRate: config.maxRate,
    concurrency: config.concurrency,
    requestTimeoutMs: config.requestTimeoutMs,
    dedupeMaxEntries: config.dedupeMaxEntries,
    retry: {
      maxAttempts: config.maxAttempts,
      maxAttemptsRejected: Math.min(3, config.maxAttempts),
      baseMs: config.retryBaseMs,
      capMs: config.retryCapMs,
      retryAfterCapMs: RETRY_AFTER_CAP_MS,
    },
    health: {
      // More than one event's attempts, so that a single poison event is given up and not taken for an outage.
      failuresInARow: Math.max(FAILURES_IN_A_ROW, config.maxAttempts + 1),
      probeBaseMs: config.retryBaseMs,
      probeCapMs: config.retryCapMs,
      downLimitMs: config.endpointDownLimitMs,
    },
  };
}

export function clientLimits({ idempotencyKeepMs, maxStreams, maxStreamsPerTenant }: Config) {
  return {
    idempotencyKeepMs,
    streams: { ...STREAMS, most: maxStreams, mostPerTenant: maxStreamsPerTenant },
  };
}

export function xSettings(config: Config): XSettings {
  const quota = { most: config.xQuota, windowMs: config.xQuotaWindowMs };
  return { fromAgeMs: config.xFromAgeMs, toAgeMs: config.xToAgeMs, quota };
}
