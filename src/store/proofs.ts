// What a webhook's checks said, and who may make the next one. A check takes seconds, so no lock is held meanwhile:
// `proof_lease` says that an instance has the webhook for it, until a time by the database's clock.
//
//   beginProof ──lease──> (the check, by nobody else) ──> endProof: writes only under that very lease
//
// What is stored carries a fingerprint of URL, profile and secret. A webhook whose fingerprint is another one is
// unproven, whoever changed it: also an older instance that knows nothing of proofs.
// Each result raises the webhook's version: owners of its jobs look at that (look.ts), and readers too.
// Only one webhook is locked per transaction (turn.ts has the order of locks).

import { createHash } from 'node:crypto';

import type { Kysely } from 'kysely';
import { asWebhookId } from '../domain/ids.ts';
import type { TenantId, WebhookId } from '../domain/ids.ts';
import { AFTER_CHANGE_MS, PROOF_LEASE_MS, PROOF_STATES, WEBHOOK_PROFILES } from '../domain/proof.ts';
import type { Check, EndedProof, ProofMoment, ProofTask, Validity, WebhookProfile } from '../domain/proof.ts';
import type { Database } from './database.ts';
import { requestProfileOf } from './request-profile.ts';
import type { Tables, WebhookRow } from './schema.ts';
import { inTransaction, keep, undo } from './transaction.ts';
import type { Tx } from './transaction.ts';
import { bigint, fromDatetime, fromDatetimeOrNull, fromJson, fromJsonOrNull } from './values.ts';
import { toDatetime, toDatetimeOrNull, toJson, utcNow, utcNowPlus } from './values.ts';

/** What is read of a webhook's row here. */
export type ProofColumns = Pick<WebhookRow, 'url' | 'secrets' | 'wire_profile' | 'proof' | 'proof_due'>;

interface StoredProof extends Omit<Validity, 'nextCheckAtMs'> {
  /** Fingerprint of what was checked. */
  readonly of: string;
}

export function validityOf(row: ProofColumns): Validity {
  const nextCheckAtMs = fromDatetimeOrNull(row.proof_due);
  const stored = fromJsonOrNull<StoredProof>(row.proof);
  if (stored?.of !== fingerprintOf(row)) return { state: 'unproven', failures: 0, checks: [], nextCheckAtMs };
  const state = PROOF_STATES.find((known) => known === stored.state) ?? 'unproven';
  return { state, failures: stored.failures, checks: stored.checks, nextCheckAtMs };
}

export const profileOf = ({ wire_profile }: Pick<WebhookRow, 'wire_profile'>): WebhookProfile =>
  WEBHOOK_PROFILES.find((known) => known === wire_profile) ?? 'standard';

/** The columns of a webhook whose URL, profile or secret changes: it is checked soon, and a check under way is void. */
export const provesAnew = { proof: null, proof_due: utcNowPlus(AFTER_CHANGE_MS), proof_lease: null } as const;

export function beginProof(
  db: Database,
  id: WebhookId,
  moment: ProofMoment,
  tenant?: TenantId,
): Promise<ProofTask | 'absent' | 'busy' | 'not_due'> {
  let leaseUntilMs: number | null = null;
  return inTransaction<ProofTask | 'absent' | 'busy' | 'not_due'>(db, async (tx, doubt) => {
    const row = await lock(tx, id, moment === 'due');
    if (row === null) return undo(moment === 'due' ? 'busy' : 'absent');
    if (row.deleted_at !== null || (tenant !== undefined && row.tenant !== tenant)) return undo('absent');
    const nowMs = fromDatetime(row.now);
    const leasedMs = fromDatetimeOrNull(row.proof_lease);
    const isMine = doubt && leasedMs !== null && leasedMs === leaseUntilMs;
    if (isMine) return undo(taskOf(row, leasedMs));
    if (leasedMs !== null && leasedMs > nowMs) return undo('busy');
    if (!isDue(validityOf(row), moment, nowMs)) return undo('not_due');
    leaseUntilMs = nowMs + PROOF_LEASE_MS;
    await update(tx, id, { proof_lease: toDatetime(leaseUntilMs) });
    return keep(taskOf(row, leaseUntilMs));
  });
}

export function endProof(
  db: Database,
  task: ProofTask,
  reason: string | null,
  step: (before: Validity, check: Check) => Validity,
): Promise<EndedProof | 'stale'> {
  let done: EndedProof | null = null;
  return inTransaction<EndedProof | 'stale'>(db, async (tx, doubt) => {
    const id = task.webhookId;
    const row = await lock(tx, id, false);
    if (row === null || row.deleted_at !== null) return undo('stale');
    // The first run gave the lease up: its COMMIT was done.
    if (doubt && done && row.proof_lease === null) return undo(done);
    const isSame = row.url === task.url && profileOf(row) === task.profile && secretOf(row) === task.secret;
    if (fromDatetimeOrNull(row.proof_lease) !== task.leaseUntilMs || !isSame) return undo('stale');
    const before = validityOf(row);
    const validity = step(before, { atMs: fromDatetime(row.now), reason });
    const { nextCheckAtMs, ...kept } = validity;
    done = { before: before.state, validity };
    await update(tx, id, {
      proof: toJson({ ...kept, of: fingerprintOf(row) } satisfies StoredProof),
      proof_due: toDatetimeOrNull(nextCheckAtMs),
      proof_lease: null,
      version: row.version + 1,
    });
    return keep(done);
  });
}

/** Without a lock; whether a check may begin is beginProof's to say. */
export async function dueProofs(
  db: Kysely<Tables>,
  profiles: readonly WebhookProfile[],
  limit: number,
): Promise<readonly WebhookId[]> {
  if (profiles.length === 0) return [];
  const rows = await db
    .selectFrom('webhooks')
    .select('id')
    .where('wire_profile', 'in', [...profiles])
    .where('proof_due', '<', utcNow)
    .where('deleted_at', 'is', null)
    .where((or) => or.or([or('proof_lease', 'is', null), or('proof_lease', '<', utcNow)]))
    .orderBy('proof_due')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => asWebhookId(id));
}

async function lock(tx: Tx, id: WebhookId, skipsLocked: boolean) {
  const query = tx
    .selectFrom('webhooks')
    .selectAll()
    .select(utcNow.as('now'))
    .where('id', '=', bigint(id))
    .forUpdate();
  const row = await (skipsLocked ? query.skipLocked() : query).executeTakeFirst();
  return row ?? null;
}

async function update(tx: Tx, id: WebhookId, changes: Partial<WebhookRow>): Promise<void> {
  await tx.updateTable('webhooks').set(changes).where('id', '=', bigint(id)).execute();
}

function isDue({ state, failures, nextCheckAtMs }: Validity, moment: ProofMoment, nowMs: number): boolean {
  if (moment === 'now') return true;
  const isTime = nextCheckAtMs !== null && nextCheckAtMs <= nowMs;
  if (moment === 'due') return isTime;
  // A replay waits: a new one at once, one that failed when its time has come (an older row may not say when).
  return state === 'unproven' && (failures === 0 || isTime || nextCheckAtMs === null);
}

function taskOf(row: WebhookRow, leaseUntilMs: number): ProofTask {
  const { id, url } = row;
  const { headers } = requestProfileOf(row.profile);
  const secret = secretOf(row);
  return { webhookId: asWebhookId(id), profile: profileOf(row), url, secret, headers, leaseUntilMs };
}

function secretOf({ secrets }: Pick<WebhookRow, 'secrets'>): string {
  const [newest] = fromJson<readonly string[]>(secrets);
  if (newest === undefined) throw new Error('a webhook has no secret');
  return newest;
}

function fingerprintOf(row: ProofColumns): string {
  const of = [row.url, profileOf(row), secretOf(row)];
  return createHash('sha256').update(JSON.stringify(of)).digest('base64url');
}
