// The table of settings: name, kind (grammar and unit), default, meaning. The documentation is made from it.
// Owned here: what can be set. Refused: reading anything (config.ts), grammar (values, sites).
// Invariant: a property has the type of its row's kind; every interval carries its unit in its name.

import { PROOF_SETTINGS } from './proof-settings.ts';
import { DAY_MS, MIB, MINUTE_MS, ms, optional, required, SECOND_MS, usually } from './setting.ts';
import type { Setting } from './setting.ts';
import { SITES, SITES_ORDER } from './site-list.ts';
import { ADDRESS_BLOCKS, integer, LISTEN, matching, MYSQL_URL, oneOf } from './values.ts';
import { X_SETTINGS } from './x-settings.ts';

const API_KEY = matching(/^[\x21-\x7e]{1,256}$/, '1 to 256 printable ASCII characters without spaces');
const INSTANCE = matching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/, '1 to 40 letters, digits, ".", "_" or "-"');

/** Every setting but those of single sites (SITE_OPTIONS), in the order of the documentation. */
export const CONFIG_TABLE = {
  databaseUrl: required('REPRISE_DATABASE_URL', MYSQL_URL, 'The MySQL or MariaDB that coordinates.', true),
  sites: required('REPRISE_SITES', SITES, 'The Kafka clusters and topics that hold the delivery log.'),
  sitesOrder: optional(
    'REPRISE_SITES_ORDER',
    SITES_ORDER,
    'The sites as this instance prefers them: the first is read, the others are for when it fails; unset: as listed.',
  ),
  apiKey: required('REPRISE_API_KEY', API_KEY, 'The first admin key; try `openssl rand -hex 32`.', true),
  listen: usually('REPRISE_LISTEN', LISTEN, { host: '127.0.0.1', port: 8080 }, 'Where the API listens.'),
  docs: usually(
    'REPRISE_DOCS',
    oneOf(['on', 'off']),
    'on',
    'Whether Swagger UI is served at `/docs`, without a key.',
  ),
  instance: optional(
    'REPRISE_INSTANCE',
    INSTANCE,
    'First part of this instance’s name; the host’s name if unset.',
  ),
  logLevel: usually(
    'REPRISE_LOG_LEVEL',
    oneOf(['debug', 'info', 'warn', 'error', 'silent']),
    'info',
    'Least level that is logged.',
  ),
  partitions: optional(
    'REPRISE_PARTITIONS',
    integer(1, 1_000_000),
    'Partitions each topic must have; unset: what is seen first. On a difference the process ends.',
  ),
  poolSize: usually('REPRISE_POOL_SIZE', integer(1, 1024), 16, 'Replays that one instance runs at a time.'),
  scanThreads: optional(
    'REPRISE_SCAN_THREADS',
    integer(1, 64),
    'Threads that read and scan the log; unset: one less than processors, at least 1 and at most 4.',
  ),
  leaseMs: usually(
    'REPRISE_LEASE_MS',
    ms(300, 10 * MINUTE_MS),
    30 * SECOND_MS,
    'How long a claim holds without a heartbeat.',
  ),
  heartbeatIntervalMs: usually(
    'REPRISE_HEARTBEAT_INTERVAL_MS',
    ms(50, MINUTE_MS),
    5 * SECOND_MS,
    'Between heartbeats; below a third of the lease.',
  ),
  pollIntervalMs: usually(
    'REPRISE_POLL_INTERVAL_MS',
    ms(10, MINUTE_MS),
    500,
    'Between looks for waiting replays; below the lease.',
  ),
  cutIntervalMs: usually(
    'REPRISE_CUT_INTERVAL_MS',
    ms(10, MINUTE_MS),
    200,
    'Between saves of what is settled; below a third of the lease.',
  ),
  stopTimeoutMs: usually(
    'REPRISE_STOP_TIMEOUT_MS',
    ms(0, 10 * MINUTE_MS),
    20 * SECOND_MS,
    'How long a stop may take before it is forced.',
  ),
  lookbackMs: usually(
    'REPRISE_LOOKBACK_MS',
    ms(MINUTE_MS, 366 * DAY_MS),
    5 * DAY_MS,
    'The oldest `from` of a replay, counted from now.',
  ),
  settleMs: usually(
    'REPRISE_SETTLE_MS',
    ms(0, DAY_MS),
    150 * SECOND_MS,
    'How long after `to` the log may still grow inside the range; below the look-back.',
  ),
  disorderSlackMs: usually(
    'REPRISE_DISORDER_SLACK_MS',
    ms(0, DAY_MS),
    15 * MINUTE_MS,
    'How far timestamps in the log may be out of order.',
  ),
  openTransactionWaitMs: usually(
    'REPRISE_OPEN_TRANSACTION_WAIT_MS',
    ms(0, DAY_MS),
    MINUTE_MS,
    'How long a replay waits for an open transaction before it is named a gap.',
  ),
  siteDownMs: usually(
    'REPRISE_SITE_DOWN_MS',
    ms(100, DAY_MS),
    30 * SECOND_MS,
    'How long a site may not answer before a replay goes on with another one.',
  ),
  mirrorWaitMs: usually(
    'REPRISE_MIRROR_WAIT_MS',
    ms(0, DAY_MS),
    10 * MINUTE_MS,
    'How long a replay waits for a mirrored copy to be proven whole, from when its range is settled.',
  ),
  mirrorWatchIntervalMs: usually(
    'REPRISE_MIRROR_WATCH_INTERVAL_MS',
    ms(100, 60 * MINUTE_MS),
    15 * SECOND_MS,
    'Between two measurements of how far mirrored copies are behind.',
  ),
  jobRetentionMs: usually(
    'REPRISE_JOB_RETENTION_MS',
    ms(MINUTE_MS, 3_660 * DAY_MS),
    90 * DAY_MS,
    'How long an ended replay is kept with its history and dead letters, counted from its end.',
  ),
  planTtlMs: usually(
    'REPRISE_PLAN_TTL_MS',
    ms(SECOND_MS, 7 * DAY_MS),
    60 * MINUTE_MS,
    'How long a plan can be looked at and run.',
  ),
  idempotencyKeepMs: usually(
    'REPRISE_IDEMPOTENCY_KEEP_MS',
    ms(MINUTE_MS, 366 * DAY_MS),
    DAY_MS,
    'How long an Idempotency-Key is kept with the answer to its first request.',
  ),
  maxStreams: usually(
    'REPRISE_MAX_STREAMS',
    integer(0, 10_000),
    500,
    'Streams of events that one instance feeds at a time.',
  ),
  maxStreamsPerTenant: usually(
    'REPRISE_MAX_STREAMS_PER_TENANT',
    integer(0, 10_000),
    100,
    'The same of one tenant.',
  ),
  eventIdentity: usually(
    'REPRISE_EVENT_IDENTITY',
    oneOf(['value', 'value+time']),
    'value',
    'What makes two events without an `event-id` header the same.',
  ),
  dedupeMaxEntries: usually(
    'REPRISE_DEDUPE_MAX_ENTRIES',
    integer(1000, 1_000_000_000),
    10_000_000,
    'Identities that one replay remembers.',
  ),
  memoryBudgetBytes: usually(
    'REPRISE_MEMORY_BUDGET_BYTES',
    integer(2 * MIB, 64 * 1024 * MIB, 'bytes'),
    64 * MIB,
    'Event bytes that one instance holds.',
  ),
  maxRate: usually(
    'REPRISE_MAX_RATE',
    integer(1, 1_000_000, 'events/s'),
    2500,
    'Most events per second to one webhook.',
  ),
  concurrency: usually(
    'REPRISE_CONCURRENCY',
    integer(1, 1024),
    64,
    'Most requests in flight to one webhook that names no own number.',
  ),
  maxRepeat: usually(
    'REPRISE_MAX_REPEAT',
    integer(1, 1_000_000, 'events'),
    1000,
    'Most events that the loss of an owner may repeat.',
  ),
  requestTimeoutMs: usually(
    'REPRISE_REQUEST_TIMEOUT_MS',
    ms(10, 10 * MINUTE_MS),
    15 * SECOND_MS,
    'Total deadline of one delivery attempt.',
  ),
  maxAttempts: usually(
    'REPRISE_MAX_ATTEMPTS',
    integer(1, 100, 'attempts'),
    8,
    'Attempts before an event is dead-lettered.',
  ),
  retryBaseMs: usually(
    'REPRISE_RETRY_BASE_MS',
    ms(1, MINUTE_MS),
    500,
    'First wait between attempts; it doubles. At most the cap.',
  ),
  retryCapMs: usually(
    'REPRISE_RETRY_CAP_MS',
    ms(1, 60 * MINUTE_MS),
    30 * SECOND_MS,
    'Longest wait between attempts.',
  ),
  endpointDownLimitMs: usually(
    'REPRISE_ENDPOINT_DOWN_LIMIT_MS',
    ms(SECOND_MS, 24 * 60 * MINUTE_MS),
    15 * MINUTE_MS,
    'How long a webhook may stay down (probed meanwhile) before its replay is paused.',
  ),
  completionRetryMs: usually(
    'REPRISE_COMPLETION_RETRY_MS',
    ms(0, 7 * DAY_MS),
    DAY_MS,
    'How long a completion event that a webhook does not take is tried again.',
  ),
  ...PROOF_SETTINGS,
  ...X_SETTINGS,
  dangerousAllowTargets: usually(
    'REPRISE_DANGEROUS_ALLOW_TARGETS',
    ADDRESS_BLOCKS,
    Object.freeze([] as string[]),
    'Private addresses that webhooks may have; plain http only there.',
  ),
};

type Table = typeof CONFIG_TABLE;
type ValueOf<Row> = Row extends Setting<infer Value> ? Value : never;
/** One value per row, as its kind reads it. */
export type Values = { readonly [Key in keyof Table]: ValueOf<Table[Key]> };
