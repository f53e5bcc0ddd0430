// Who may check a webhook, and what becomes of the result, on the real database.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WebhookId } from '../../../src/domain/ids.ts';
import { asTenantId } from '../../../src/domain/ids.ts';
import type { Check, ProofTask, Validity } from '../../../src/domain/proof.ts';
import type { ProofStore } from '../../../src/domain/proof.ts';
import { createProofStore } from '../../../src/store/proof-store.ts';
import { draft, freshStores, newReplay, TENANT } from '../../support/database.ts';
import type { Stores } from '../../support/database.ts';
import type { WebhookPatch, WebhookView } from '../../../src/domain/replay-store.ts';

let stores: Stores;
let proofs: ProofStore;
beforeAll(async () => {
  stores = await freshStores();
  proofs = createProofStore(stores.database.open());
});
afterAll(() => stores.database.drop());

const OFFSETS: Readonly<Record<string, number | null>> = { later: 3_600_000, at_once: -1_000, never: null };
const keep =
  (state: Validity['state'], when = 'later') =>
  ({ failures, checks }: Validity, check: Check): Validity => {
    const offset = OFFSETS[when] ?? null;
    return {
      state,
      failures: check.reason === null ? 0 : failures + 1,
      checks: [check, ...checks],
      nextCheckAtMs: offset === null ? null : check.atMs + offset,
    };
  };

async function webhook(profile: 'standard' | 'x' = 'x'): Promise<WebhookId> {
  const made = await stores.replays.createWebhook(TENANT, { ...draft, profile });
  if (made === 'key_taken') throw new Error('taken');
  return made.id;
}

async function begun(id: WebhookId, moment: 'now' | 'asked' | 'due' = 'now'): Promise<ProofTask> {
  const task = await proofs.beginProof(id, moment);
  if (typeof task === 'string') throw new Error(`not begun: ${task}`);
  return task;
}

const validityOf = async (id: WebhookId) => (await stores.replays.webhook(TENANT, id))?.validity;
const changedWebhook = async (id: WebhookId, patch: WebhookPatch): Promise<WebhookView> => {
  const changed = await stores.replays.patchWebhook(TENANT, id, patch);
  if (!changed || changed === 'stale') throw new Error(`webhook ${id} was not changed`);
  return changed;
};
const isDue = async (id: WebhookId) => (await proofs.dueProofs(['x', 'standard'], 100)).includes(id);

describe('a webhook', () => {
  it('begins unproven, is due for who waits for it, and is never checked without being asked', async () => {
    const id = await webhook();
    expect(await validityOf(id)).toEqual({ state: 'unproven', failures: 0, checks: [], nextCheckAtMs: null });
    expect(await isDue(id)).toBe(false);
    expect(await proofs.beginProof(id, 'due')).toBe('not_due');
    expect(await begun(id, 'asked')).toMatchObject({ webhookId: id, profile: 'x' });
  });

  it('is checked by one at a time, and the result raises its version', async () => {
    const id = await webhook();
    const answers = await Promise.all([1, 2, 3, 4].map(() => proofs.beginProof(id, 'now')));
    expect(answers.filter((answer) => answer === 'busy')).toHaveLength(3);
    const [task] = answers.filter((answer) => typeof answer !== 'string');
    if (!task) throw new Error('nobody may');
    const before = await stores.replays.webhook(TENANT, id);
    const ended = await proofs.endProof(task, null, keep('valid'));
    expect(ended).toMatchObject({ before: 'unproven', validity: { state: 'valid' } });
    const after = await stores.replays.webhook(TENANT, id);
    expect(after?.validity).toMatchObject({ state: 'valid', checks: [{ reason: null }] });
    expect(after?.version).toBe((before?.version ?? 0) + 1);
    expect(after?.updatedAtMs).toBe(before?.updatedAtMs);
    expect(await proofs.endProof(task, 'dns', keep('invalid'))).toBe('stale');
    expect(await proofs.beginProof(id, 'asked')).toBe('not_due');
  });

  it('is checked when it is due, and then not before the next time', async () => {
    const id = await webhook();
    await proofs.endProof(await begun(id), 'dns', keep('unproven', 'at_once'));
    expect(await isDue(id)).toBe(true);
    expect(await proofs.dueProofs(['standard'], 100)).not.toContain(id);
    const looks = await Promise.all([1, 2, 3].map(() => proofs.beginProof(id, 'due')));
    expect(looks.filter((answer) => answer === 'busy')).toHaveLength(2);
    expect(await isDue(id)).toBe(false);
    const [task] = looks.filter((answer) => typeof answer !== 'string');
    if (!task) throw new Error('nobody may');
    await proofs.endProof(task, 'dns', keep('unproven'));
    expect(await proofs.beginProof(id, 'due')).toBe('not_due');
    // A replay waits for its time as well.
    expect(await proofs.beginProof(id, 'asked')).toBe('not_due');
  });

  it('whose checker vanished is checked by another one when the lease is over', async () => {
    const id = await webhook();
    const lost = await begun(id);
    expect(await proofs.beginProof(id, 'now')).toBe('busy');
    await stores.database.query(
      'UPDATE webhooks SET proof_lease = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE id = ?',
      [id],
    );
    const next = await begun(id);
    expect(await proofs.endProof(lost, 'dns', keep('invalid'))).toBe('stale');
    expect(await proofs.endProof(next, null, keep('valid'))).toMatchObject({ validity: { state: 'valid' } });
  });

  it('is not waited for by who looks for due ones', async () => {
    const id = await webhook();
    await proofs.endProof(await begun(id), 'dns', keep('unproven', 'at_once'));
    const holder = await stores.database.connect();
    await holder.query('START TRANSACTION');
    await holder.query('SELECT id FROM webhooks WHERE id = ? FOR UPDATE', [id]);
    expect(await proofs.beginProof(id, 'due')).toBe('busy');
    await holder.query('ROLLBACK');
    await holder.end();
  });

  it.each([
    ['URL', { url: 'https://another.example/' }],
    ['secret', { secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }],
    ['profile', { profile: 'standard' }],
  ] as const)('is unproven again after a change of its %s, and soon due', async (_what, patch) => {
    const id = await webhook();
    await proofs.endProof(await begun(id), null, keep('valid', 'never'));
    const underWay = await begun(id);
    const changed = await changedWebhook(id, patch);
    expect(changed.validity).toMatchObject({ state: 'unproven', checks: [] });
    expect(changed.validity.nextCheckAtMs).toBeGreaterThan(Date.now());
    expect(await proofs.endProof(underWay, null, keep('valid'))).toBe('stale');
    expect((await validityOf(id))?.state).toBe('unproven');
  });

  it('stays valid after a change of anything else', async () => {
    const id = await webhook();
    await proofs.endProof(await begun(id), null, keep('valid'));
    const changed = await changedWebhook(id, { description: 'x', profile: 'x' });
    expect(changed.validity.state).toBe('valid');
  });

  it('is unproven when an older instance changed its URL, which knows nothing of proofs', async () => {
    const id = await webhook();
    await proofs.endProof(await begun(id), null, keep('valid'));
    await stores.database.query(`UPDATE webhooks SET url = 'https://moved.example/' WHERE id = ?`, [id]);
    expect((await validityOf(id))?.state).toBe('unproven');
    expect((await stores.jobs.target(id))?.validity.state).toBe('unproven');
  });

  it('is absent for another tenant, and when it was deleted', async () => {
    const id = await webhook();
    expect(await proofs.beginProof(id, 'now', asTenantId('other'))).toBe('absent');
    const task = await begun(id);
    await stores.replays.deleteWebhook(TENANT, id);
    expect(await proofs.endProof(task, null, keep('valid'))).toBe('stale');
    expect(await proofs.beginProof(id, 'now')).toBe('absent');
  });
});

it('the jobs of a webhook of profile x are none that an instance without profiles may run', async () => {
  const formats = await Promise.all(
    (['x', 'standard'] as const).map(async (profile) => {
      const id = await webhook(profile);
      const job = await newReplay(stores.replays, id);
      const [row] = await stores.database.query<{ format: number }>(
        'SELECT format FROM replay_jobs WHERE id = ?',
        [job.id],
      );
      return row?.format;
    }),
  );
  expect(formats).toEqual([4, 1]);
});
