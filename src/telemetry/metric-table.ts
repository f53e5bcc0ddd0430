// Every metric that Reprise exports, as data: the documentation is made from it and dashboards are held against
// it. Owned here: names, meanings, labels, units. Refused: any library.
// Invariant: labels come from small fixed sets (facts, outcomes, topics of the configuration); never a job or
// a webhook, which would grow without end.

export interface Metric {
  /** Without the prefix `reprise_`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Prometheus base unit; empty for plain counts. */
  readonly unit: '' | 'seconds' | 'bytes';
  /** Upper bounds of a histogram's buckets in `unit`. */
  readonly buckets?: readonly number[];
  /** More label values than this are counted together as "other"; by default 200. */
  readonly maxSeries?: number;
}

export const METRIC_PREFIX = 'reprise_';

/** 1 ms to 30 s: from a local receiver to a request's total deadline. */
const LATENCY = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30];
/** 0.5 s to a day: whole replays. */
const REPLAY = [0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400];

type Unit = Metric['unit'];
const counter = (name: string, help: string, labels: readonly string[] = []) =>
  ({ name, type: 'counter', help, labels, unit: unitOf(name) }) as const;
const gauge = (name: string, help: string, labels: readonly string[] = []) =>
  ({ name, type: 'gauge', help, labels, unit: unitOf(name) }) as const;
const histogram = (name: string, help: string, buckets: readonly number[] = LATENCY) =>
  ({ name, type: 'histogram', help, labels: [], unit: 'seconds', buckets }) as const;

function unitOf(name: string): Unit {
  if (/_seconds(_total)?$/.test(name)) return 'seconds';
  return /_bytes(_total)?$/.test(name) ? 'bytes' : '';
}

/** Set by signals as they come. */
export const SIGNAL_METRICS = {
  siteSwitches: counter('site_switches_total', 'Replays that went on at another site.', [
    'from',
    'to',
    'why',
    'by',
  ]),
  requested: counter('replays_requested_total', 'Replays that this instance accepted over REST.'),
  planSeconds: histogram(
    'plan_duration_seconds',
    'Time to make one plan of a replay; its count is of plans made.',
  ),
  plansRefused: counter('plans_refused_total', 'Plans that could not be made.', ['why']),
  groups: counter('groups_requested_total', 'Replay groups that this instance accepted over REST.'),
  groupsSteered: counter('groups_steered_total', 'Pauses, resumes and cancels of whole groups.', ['verb']),
  groupJobs: counter(
    'group_jobs_total',
    'Replays of groups that this instance made or steered, and webhooks that got none.',
    ['what'],
  ),
  claims: counter('job_claims_total', 'Replays claimed by this instance.'),
  reclaims: counter('job_reclaims_total', 'Replays taken over after another owner’s lease ended.'),
  transitions: counter('job_transitions_total', 'Facts this instance committed.', ['fact']),
  refusals: counter('job_refusals_total', 'Facts that were refused.', ['fact', 'why']),
  fenced: counter('job_fenced_total', 'Times this instance found a lease lost.'),
  ended: counter('jobs_ended_total', 'Replays that ended here.', ['state', 'outcome']),
  jobSeconds: histogram('job_duration_seconds', 'From the request of a replay to its end.', REPLAY),
  crashes: counter('job_crashes_total', 'Replays given back after an unexpected error.'),
  pruned: counter('jobs_pruned_total', 'Ended replays that this instance removed because of their age.'),
  doubts: counter('lease_doubtful_total', 'Times delivery was held because a lease was near its end.'),
  cutSeconds: histogram('cut_save_seconds', 'Time to make one cut durable.'),
  polled: histogram('pool_poll_seconds', 'Time of one look for work.'),
  commitSeconds: histogram('store_commit_seconds', 'Time to commit one fact.'),
  storeRetries: counter('store_retries_total', 'Transactions that were tried again.', ['errno']),
  databaseUp: gauge('database_up', '1 while the database answers.'),
  databaseLost: counter('database_lost_total', 'Times the database stopped answering.'),
  logUp: gauge('log_up', '1 while the delivery log of a site can be used.', ['site']),
  readRecords: counter('read_records_total', 'Records walked over, anybody’s.', ['source']),
  readMatched: counter('read_matched_total', 'Records of the wanted webhook inside the range.', ['source']),
  readBytes: counter('read_bytes_total', 'Bytes fetched from brokers.', ['source']),
  readDisorder: gauge('read_disorder_seconds', 'Largest step back in time seen in a source.', ['source']),
  scanThreadsLost: counter('scan_threads_lost_total', 'Scan threads that ended unexpectedly.'),
  readRetries: counter('read_retries_total', 'Reads that failed and were tried again.', ['source']),
  gaps: counter('read_gaps_total', 'Pieces of the log that could not be read.', ['source', 'reason']),
  gapOffsets: counter('read_gap_offsets_total', 'Offsets inside such pieces.', ['source']),
  mirrorLatency: {
    ...gauge(
      'mirror_latency_seconds',
      'By how much the newest record of a mirrored copy is older than the newest of its upstream.',
      ['source', 'upstream', 'partition'],
    ),
    // A few mirrored topics of some hundred partitions; their number comes from the clusters, not from requests.
    maxSeries: 4000,
  },
  duplicates: counter('dedupe_duplicates_total', 'Copies that were not delivered again.'),
  tombstones: counter('dedupe_tombstones_total', 'Records without a value.'),
  filtered: counter('dedupe_filtered_total', 'Events that a request’s filters left out.'),
  evicted: counter('dedupe_evicted_total', 'Identities that a full memory forgot.'),
  attempts: counter(
    'delivery_attempts_total',
    'Delivery attempts of events that ended; a batch counts each.',
    ['outcome'],
  ),
  attemptSeconds: histogram('delivery_attempt_seconds', 'Time of one delivery attempt; a batch is one.'),
  inFlight: gauge('delivery_in_flight', 'Requests at receivers now.'),
  deadLetters: counter('delivery_dead_letters_total', 'Events given up on.', ['reason']),
  limited: counter('delivery_limited_total', 'Times delivery waited for a limit.', ['by']),
  limitedSeconds: counter('delivery_limited_seconds_total', 'Time delivery waited for a limit.', ['by']),
  completions: counter(
    'completion_attempts_total',
    'Attempts to send a completion event: delivered, again (it will be tried again) or given_up.',
    ['type', 'outcome'],
  ),
  completionSeconds: histogram('completion_attempt_seconds', 'Time of an attempt that was taken with 2xx.'),
  webhookChecks: counter('webhook_checks_total', 'Checks by which webhooks prove themselves.', [
    'profile',
    'result',
  ]),
  webhookCheckSeconds: histogram('webhook_check_seconds', 'Time of one check.'),
  validityChanges: counter('webhook_validity_changes_total', 'Webhooks that became valid or invalid.', [
    'to',
  ]),
  streams: gauge('streams_open', 'Streams of replays that this instance feeds now.'),
  streamsDropped: counter('streams_dropped_total', 'Streams ended because their client did not read.'),
  httpFailures: counter('http_failures_total', 'Requests that failed unexpectedly.', ['route']),
} as const satisfies Record<string, Metric>;

/** Asked for at each scrape, from whoever knows (see GaugeReading). */
export const ASKED_METRICS = {
  jobs: gauge('jobs', 'Replays in the database.', ['state']),
  oldestOpen: gauge(
    'oldest_open_job_age_seconds',
    'Age of the oldest replay that nobody has claimed; 0 = none.',
  ),
  oldestClaimable: gauge(
    'oldest_claimable_job_age_seconds',
    'The same for replays that any instance could claim now; above the poll interval there are too few workers.',
  ),
  expiredLeases: gauge('expired_leases', 'Leases that have ended and that nobody has taken over yet.'),
  running: gauge('running_jobs', 'Replays that this instance runs.'),
  heartbeatAge: gauge('heartbeat_age_seconds', 'Age of the oldest heartbeat among this instance’s replays.'),
  cutAge: gauge(
    'cut_age_seconds',
    'Age of the oldest durable cut among this instance’s replays that have something to save.',
  ),
  owed: gauge('owed_events', 'Events read and not yet settled, of this instance’s replays.'),
  jobsReading: gauge(
    'jobs_reading',
    'Replays of this instance that read a site now; a union counts at each.',
    ['site'],
  ),
  siteLag: gauge(
    'site_lag_records',
    'Records between the cut and the pinned end of this instance’s replays; an end that is not pinned counts 0.',
    ['site'],
  ),
  outboxPending: gauge('outbox_pending', 'Completion events in the database that are still to be sent.'),
  outboxAge: gauge(
    'outbox_oldest_age_seconds',
    'Age of the oldest completion event still to be sent; 0 = none.',
  ),
  memory: gauge('memory_budget_used_bytes', 'Event bytes held of REPRISE_MEMORY_BUDGET_BYTES.'),
} as const satisfies Record<string, Metric>;

/** Set by this module itself. */
export const OWN_METRICS = {
  build: gauge('build_info', 'Always 1; the labels tell what runs.', ['version', 'node']),
  asked: gauge('gauges_up', '1 if the gauges that need the database could be read at this scrape.'),
} as const satisfies Record<string, Metric>;

export const METRICS: readonly Metric[] = [
  ...Object.values(OWN_METRICS),
  ...Object.values(ASKED_METRICS),
  ...Object.values(SIGNAL_METRICS),
];
