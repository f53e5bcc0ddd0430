// Webhooks and the API's reads: tenants are strangers to each other, keys belong to one, nothing is lost.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asInstanceId, asJobId, asTenantId, asWebhookId } from '../../../src/domain/ids.ts';
import { SINGLE } from '../../../src/domain/message.ts';
import { UNPROVEN } from '../../../src/domain/proof.ts';
import type { WebhookView } from '../../../src/domain/replay-store.ts';
import type { JobStore } from '../../../src/domain/store.ts';
import { draft, freshStores, newReplay, newWebhook, TENANT } from '../../support/database.ts';
import type { Stores, TestDatabase } from '../../support/database.ts';
import { SPEC } from '../../support/example.ts';

const OTHER = asTenantId('other');
const asked = { by: 'op', why: 'test' };
const all = { limit: 100, cursor: null };

let database: TestDatabase;
let jobs: JobStore;
let replays: Stores['replays'];

beforeAll(async () => {
  ({ database, jobs, replays } = await freshStores());
});
afterAll(() => database.drop());

async function withKey(key: string, tenant = TENANT): Promise<WebhookView> {
  const webhook = await replays.createWebhook(tenant, { ...draft, key });
  if (webhook === 'key_taken') throw new Error('taken');
  return webhook;
}

describe('a webhook', () => {
  it('has its id as key by default, and keeps what it was given', async () => {
    const webhook = await replays.createWebhook(TENANT, {
      ...draft,
      description: 'Bücher & 📚',
      maxRate: 12.5,
      concurrency: 3,
    });
    if (webhook === 'key_taken') throw new Error('taken');
    expect(webhook).toMatchObject({ key: webhook.id, description: 'Bücher & 📚', maxRate: 12.5, version: 1 });
    expect(await replays.webhook(TENANT, webhook.id)).toEqual(webhook);
    expect(await jobs.target(webhook.id)).toEqual({
      webhookId: webhook.id,
      version: 1,
      url: draft.url,
      secrets: [draft.secret],
      maxRate: 12.5,
      concurrency: 3,
      delivery: SINGLE,
      contentType: 'application/json',
      headers: [],
      notifications: [],
      profile: 'standard',
      validity: UNPROVEN,
    });
    expect(Math.abs(webhook.createdAtMs - (await replays.nowMs()))).toBeLessThan(10_000);
  });

  it('changes from one version to the next; a new secret replaces the old', async () => {
    const id = await newWebhook(replays);
    const changed = await replays.patchWebhook(TENANT, id, { url: 'http://127.0.0.1:9/b', maxRate: 5 });
    expect(changed).toMatchObject({ version: 2, url: 'http://127.0.0.1:9/b', maxRate: 5 });
    await replays.patchWebhook(TENANT, id, { secret: 'whsec_bmV3', maxRate: null });
    expect(await jobs.target(id)).toMatchObject({ version: 3, secrets: ['whsec_bmV3'], maxRate: null });
    expect(await replays.patchWebhook(TENANT, id, {})).toMatchObject({ version: 3 });
    const delivery = { mode: 'ndjson', maxEvents: 7, maxBytes: 2_048 } as const;
    expect(await replays.patchWebhook(TENANT, id, { delivery })).toMatchObject({ version: 4, delivery });
    expect(await jobs.target(id)).toMatchObject({ version: 4, maxRate: null, delivery });
  });

  it('keeps headers in their order, what a patch does not name, and fields of a newer version', async () => {
    const id = await newWebhook(replays);
    const headers = [
      ['X-Zzz', '1'],
      ['a', '2'],
      ['__proto__', '3'],
    ] as const;
    const view = await replays.patchWebhook(TENANT, id, { headers, contentType: 'text/plain' });
    expect(view).toMatchObject({
      contentType: 'text/plain',
      headerNames: ['X-Zzz', 'a', '__proto__'],
      version: 2,
    });
    expect(JSON.stringify(view)).not.toContain('"2"');
    await database.query(`UPDATE webhooks SET profile = JSON_SET(profile, '$.newer', 7) WHERE id = ?`, [id]);
    const delivery = { mode: 'ndjson', maxEvents: 7, maxBytes: 2_048 } as const;
    await replays.patchWebhook(TENANT, id, { delivery });
    expect(await jobs.target(id)).toMatchObject({ delivery, contentType: 'text/plain', headers, version: 3 });
    const [row] = await database.query<{ newer: number }>(
      `SELECT JSON_EXTRACT(profile, '$.newer') AS newer FROM webhooks WHERE id = ?`,
      [id],
    );
    expect(Number(row?.newer)).toBe(7);
  });

  it('from before there were batches has single events', async () => {
    const id = await newWebhook(replays);
    await database.query('UPDATE webhooks SET profile = NULL WHERE id = ?', [id]);
    expect(await jobs.target(id)).toMatchObject({ delivery: SINGLE });
    expect(await replays.webhook(TENANT, id)).toMatchObject({ delivery: SINGLE });
  });
});

describe('a key', () => {
  it('is exact bytes: case, accents and trailing spaces count', async () => {
    for (const key of ['Key', 'key', 'kéy', 'key ', '42', '042', '😀']) {
      expect((await withKey(key)).key).toBe(key);
    }
  });

  it('is taken for every tenant', async () => {
    await withKey('mine');
    expect(await replays.createWebhook(TENANT, { ...draft, key: 'mine' })).toBe('key_taken');
    expect(await replays.createWebhook(OTHER, { ...draft, key: 'mine' })).toBe('key_taken');
  });

  it('of a deleted webhook stays with its tenant', async () => {
    const gone = await withKey('reserved');
    expect(await replays.deleteWebhook(TENANT, gone.id)).toBe('deleted');
    expect(await replays.createWebhook(OTHER, { ...draft, key: 'reserved' })).toBe('key_taken');
    const again = await withKey('reserved');
    expect(again.id).not.toBe(gone.id);
    expect(await replays.webhook(TENANT, gone.id)).toBeNull();
  });

  it('goes to one of many who ask at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 10 }, () => replays.createWebhook(TENANT, { ...draft, key: 'wanted' })),
    );
    expect(results.filter((result) => result !== 'key_taken')).toHaveLength(1);
  });

  it('cannot be another webhook’s id by accident: a default key that is taken makes a new id', async () => {
    const many = await Promise.all(Array.from({ length: 50 }, () => newWebhook(replays)));
    expect(new Set(many).size).toBe(50);
  });
});

describe('deletion', () => {
  it('waits for live jobs, also paused ones', async () => {
    const id = await newWebhook(replays);
    const job = await newReplay(replays, id);
    expect(await replays.deleteWebhook(TENANT, id)).toBe('has_live_jobs');
    await replays.steer(TENANT, job.id, { type: 'PAUSE_REQUESTED', ...asked });
    expect(await replays.deleteWebhook(TENANT, id)).toBe('has_live_jobs');
    await replays.steer(TENANT, job.id, { type: 'CANCEL_REQUESTED', ...asked });
    expect(await replays.deleteWebhook(TENANT, id)).toBe('deleted');
    expect(await replays.deleteWebhook(TENANT, id)).toBe('absent');
    expect(await replays.patchWebhook(TENANT, id, { url: 'http://x' })).toBeNull();
    expect(await replays.requestReplay(TENANT, id, SPEC, 'test')).toBe('no_webhook');
    expect(await jobs.target(id)).toBeNull();
    expect(await replays.replay(TENANT, job.id)).toMatchObject({ state: 'CANCELLED' });
  });

  it('and a request at the same time: one of them wins', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await newWebhook(replays);
      const [deleted, job] = await Promise.all([
        replays.deleteWebhook(TENANT, id),
        replays.requestReplay(TENANT, id, SPEC, 'test'),
      ]);
      expect([deleted, job === 'no_webhook']).toEqual(
        deleted === 'deleted' ? ['deleted', true] : ['has_live_jobs', false],
      );
    }
  });
});

describe('tenants', () => {
  it('do not see, change or steer what is another’s', async () => {
    const id = await newWebhook(replays);
    const job = await newReplay(replays, id);
    expect(await replays.webhook(OTHER, id)).toBeNull();
    expect(await replays.patchWebhook(OTHER, id, { url: 'http://evil' })).toBeNull();
    expect(await replays.deleteWebhook(OTHER, id)).toBe('absent');
    expect(await replays.requestReplay(OTHER, id, SPEC, 'test')).toBe('no_webhook');
    expect(await replays.replay(OTHER, job.id)).toBeNull();
    expect(await replays.transitions(OTHER, job.id, all)).toBeNull();
    expect(await replays.steer(OTHER, job.id, { type: 'CANCEL_REQUESTED', ...asked })).toEqual({
      ok: false,
      why: 'unknown_job',
      state: null,
    });
    expect((await replays.webhooks(OTHER, all)).items).toEqual([]);
    expect((await replays.replays(OTHER, all)).items).toEqual([]);
  });

  it('get absent for ids that never were', async () => {
    expect(await replays.webhook(TENANT, asWebhookId('9223372036854775807'))).toBeNull();
    expect(await replays.replay(TENANT, asJobId('0'))).toBeNull();
  });
});

describe('pages', () => {
  it('are newest first, whole and without repeats, whatever is added meanwhile', async () => {
    const tenant = asTenantId('pages');
    const id = await newWebhook(replays, tenant);
    const made = new Set<string>();
    for (let n = 0; n < 7; n++) made.add((await newReplay(replays, id, tenant)).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await replays.replays(tenant, { limit: 3, cursor });
      seen.push(...page.items.map((job) => job.id));
      cursor = page.nextCursor;
      await newReplay(replays, id, tenant);
    } while (cursor !== null);
    expect(seen.filter((job) => made.has(job))).toHaveLength(7);
    expect(seen).toEqual(seen.toSorted((a, b) => (BigInt(a) < BigInt(b) ? 1 : -1)));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('of transitions are oldest first and say by whom and why', async () => {
    const job = await newReplay(replays, await newWebhook(replays));
    await replays.steer(TENANT, job.id, { type: 'PAUSE_REQUESTED', by: 'ann', why: 'lunch 🥪' });
    const first = await replays.transitions(TENANT, job.id, { limit: 2, cursor: null });
    expect(first?.items).toMatchObject([
      { seq: 1, type: 'REQUESTED', from: null, to: 'OPEN', fence: 0, by: 'test', why: null },
      { seq: 2, type: 'PAUSE_REQUESTED', from: 'OPEN', to: 'OPEN', by: 'ann', why: 'lunch 🥪' },
    ]);
    const rest = await replays.transitions(TENANT, job.id, {
      limit: 2,
      cursor: first?.nextCursor ?? null,
    });
    expect(rest).toMatchObject({ items: [{ seq: 3, type: 'PAUSED', to: 'PAUSED' }], nextCursor: null });
    expect(rest?.items[0]?.body).toMatchObject({ type: 'PAUSED', reason: 'requested', seq: 3 });
  });

  it('refuse a cursor that no list gave', async () => {
    await expect(replays.replays(TENANT, { limit: 1, cursor: '1 OR 1' })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });
});

it('counts jobs per state and tells how long they wait', async () => {
  const before = await replays.gauges();
  const id = await newWebhook(replays);
  const [job] = [await newReplay(replays, id), await newReplay(replays, id)];
  await database.query(
    'UPDATE replay_jobs SET updated_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR WHERE id = ?',
    [BigInt(job.id)],
  );
  const gauges = await replays.gauges();
  expect(gauges.states.OPEN).toBe(before.states.OPEN + 2);
  expect(gauges.oldestClaimableSeconds).toBeGreaterThanOrEqual(3_600);
  expect(gauges.oldestOpenSeconds).toBeLessThan(3_700);
  expect(gauges.expiredLeases).toBe(0);
  while (await jobs.claim({ instance: asInstanceId('a'), leaseMs: 30_000, maxRepeat: 1 }));
  expect((await replays.gauges()).oldestClaimableSeconds).toBe(0);
});
