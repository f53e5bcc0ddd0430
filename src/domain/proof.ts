// How a webhook proves itself: the words, when it has to, and what one check's result makes of its validity.
// Pure: who sends a check is webhook/prober, who decides when is actors/prover, who keeps the result is store/proofs.
//
//   unproven ──passed──> valid ──failed, for the last of `attempts` times in a row──> invalid ──passed──> valid
//       └──failed, for the last of `attempts` times in a row──────────────────────────────^
//
// A check that failed is repeated with growing waits before it counts, for a passing outage must not invalidate.
// An invalid webhook is checked on, so that it comes back by itself. A change of URL, secret or profile makes it
// unproven (the store's fingerprint).

import type { FixedHeaders } from './fixed-headers.ts';
import type { TenantId, WebhookId } from './ids.ts';

export const WEBHOOK_PROFILES = ['standard', 'x'] as const;
/** In whose words a webhook is spoken to: Standard Webhooks alone, or X's Account Activity API besides. */
export type WebhookProfile = (typeof WEBHOOK_PROFILES)[number];

export const PROOF_MODES = ['off', 'x', 'all'] as const;
/** Which webhooks have to prove themselves before they get anything. */
export type ProofMode = (typeof PROOF_MODES)[number];

export const demandsProof = (mode: ProofMode, profile: WebhookProfile): boolean =>
  mode === 'all' || mode === profile;

export const PROOF_STATES = ['unproven', 'valid', 'invalid'] as const;
export type ProofState = (typeof PROOF_STATES)[number];

/** One check that ended. */
export interface Check {
  readonly atMs: number;
  /** Why it failed: a SendFailure, `http_<status>`, or what was wrong with the answer; null = it passed. */
  readonly reason: string | null;
}

export interface Validity {
  readonly state: ProofState;
  /** Failed checks in a row. */
  readonly failures: number;
  /** The last ones since URL, secret or profile changed, newest first. */
  readonly checks: readonly Check[];
  /** When it is checked next without being asked; null = not. */
  readonly nextCheckAtMs: number | null;
}

export const UNPROVEN: Validity = { state: 'unproven', failures: 0, checks: [], nextCheckAtMs: null };

export interface ProofPolicy {
  readonly mode: ProofMode;
  /** Failed checks in a row that make a webhook invalid. */
  readonly attempts: number;
  /** The first wait before a failed check is repeated; it doubles, and is never longer than the interval. */
  readonly retryMs: number;
  readonly intervalMs: Readonly<Record<WebhookProfile, number>>;
}

/** From the request to the last byte of the answer; X's own limit. */
export const PROOF_DEADLINE_MS = 3_000;
/** The webhook of a check under way is nobody else's for so long; above the deadline and two transactions. */
export const PROOF_LEASE_MS = 10_000;
/** So long a receiver may take to learn its new secret before it is checked without being asked. */
export const AFTER_CHANGE_MS = 30_000;
const KEPT_CHECKS = 5;
/** Of an interval: webhooks that were registered together are not checked together for ever. */
const JITTER = 0.1;

/** What `check` makes of `before`. `random`: uniform in [0, 1). */
export function afterCheck(
  before: Validity,
  check: Check,
  profile: WebhookProfile,
  policy: ProofPolicy,
  random: number,
): Validity {
  const checks = [check, ...before.checks].slice(0, KEPT_CHECKS);
  const usualMs = policy.intervalMs[profile] * (1 - JITTER + 2 * JITTER * random);
  const failures = check.reason === null ? 0 : before.failures + 1;
  const isFinal = before.state === 'invalid' || failures >= policy.attempts;
  const state = failures === 0 ? 'valid' : isFinal ? 'invalid' : before.state;
  const isRepeated = failures > 0 && !isFinal;
  const waitMs = isRepeated ? Math.min(usualMs, policy.retryMs * 2 ** (failures - 1)) : usualMs;
  const isPeriodic = demandsProof(policy.mode, profile);
  return { state, failures, checks, nextCheckAtMs: isPeriodic ? Math.round(check.atMs + waitMs) : null };
}

/** What the checks that are switched off make of it: nothing depends on it. */
export const shownValidity = (validity: Validity, isDemanded: boolean): Validity =>
  isDemanded ? validity : { ...validity, state: 'unproven', nextCheckAtMs: null };

/** A check's reason in a sentence for the webhook's owner. */
export function explainReason(reason: string, profile: WebhookProfile): string {
  const known = REASONS[reason];
  if (known !== undefined) return known;
  if (reason === 'wrong_response') {
    return profile === 'x'
      ? 'the response_token is not the HMAC of crc_token with this webhook’s secret'
      : 'the challenge in the answer is not the HMAC of the one sent with this webhook’s secret';
  }
  const status = /^http_(\d{3})$/.exec(reason)?.[1];
  if (status === undefined) return 'the check failed';
  const isRedirect = status.startsWith('3') && status !== '304';
  return `it answered ${status} instead of 200${isRedirect ? '; redirects are not followed' : ''}`;
}

const REASONS: Readonly<Record<string, string>> = {
  timeout: `no whole answer came within ${PROOF_DEADLINE_MS / 1_000} s`,
  refused: 'it refuses connections',
  reset: 'the connection broke before a whole answer had come',
  dns: 'the host name does not resolve',
  tls: 'no trusted TLS connection could be made',
  blocked: 'the URL leads to an address that webhooks may not have',
  protocol: 'the answer is not HTTP/1.1',
  too_long: 'the answer’s body is longer than 1 KB',
  not_json: 'the answer’s body is not the JSON object that is asked for',
};

/** One check to make, of a webhook that is leased for it. */
export interface ProofTask {
  readonly webhookId: WebhookId;
  readonly profile: WebhookProfile;
  readonly url: string;
  /** Of several the newest. */
  readonly secret: string;
  /** The webhook's own: its receiver may answer nothing without them. */
  readonly headers: FixedHeaders;
  /** Of the lease; names it. */
  readonly leaseUntilMs: number;
}

/** Port to the receiver: makes one check; null = passed, else why not. `aborted`: by `signal`. Rejects only for a damaged secret. */
export type Probe = (task: Omit<ProofTask, 'leaseUntilMs'>, signal: AbortSignal) => Promise<string | null>;

/** `now`: in any case; `asked`: a replay waits for it, and it is new or due; `due`: its time has come. */
export type ProofMoment = 'now' | 'asked' | 'due';

export interface EndedProof {
  readonly before: ProofState;
  readonly validity: Validity;
}

/** Port to the store. One check of a webhook at a time, over all instances. */
export interface ProofStore {
  /** Leases the webhook for a check; `busy`: another check is under way (or, for `due`, its row is locked). */
  beginProof(
    id: WebhookId,
    moment: ProofMoment,
    tenant?: TenantId,
  ): Promise<ProofTask | 'absent' | 'busy' | 'not_due'>;
  /** Keeps the result; `stale`: the webhook changed meanwhile or the lease was over, and nothing was kept. */
  endProof(
    task: ProofTask,
    reason: string | null,
    step: (before: Validity, check: Check) => Validity,
  ): Promise<EndedProof | 'stale'>;
  /** Ids of webhooks whose check is due, the longest due first. */
  dueProofs(profiles: readonly WebhookProfile[], limit: number): Promise<readonly WebhookId[]>;
}
