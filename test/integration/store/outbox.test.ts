// The outbox: a row comes with its fact or not at all, one sender at a time has it, and what became of it stays.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { COMPLETION_TYPES } from '../../../src/domain/completion.ts';
import type { CompletionOutbox, CompletionType, TakenEvent } from '../../../src/domain/completion.ts';
import { asInstanceId } from '../../../src/domain/ids.ts';
import type { JobId, WebhookId } from '../../../src/domain/ids.ts';
import type { Claim, JobStore } from '../../../src/domain/store.ts';
import { CRASH_LOOP_RECLAIMS } from '../../../src/machines/replay-job/decide.ts';
import { createEventStore } from '../../../src/store/event-store.ts';
import { readOutboxGauges } from '../../../src/store/outbox.ts';
import type { Database } from '../../../src/store/database.ts';
import { draft, endLease, freshStores, newReplay, removeJobs, TENANT } from '../../support/database.ts';
import type { Stores, TestDatabase } from '../../support/database.ts';
import { fullCut, proposalOf } from '../../support/example.ts';

const request = { instance: asInstanceId('a'), leaseMs: 30_000, maxRepeat: 10 };
const asked = { by: 'op', why: 'test' };
const WANT = { limit: 16, leaseMs: 30_000, busy: [] };

let database: TestDatabase;
let db: Database;
let jobs: JobStore;
let replays: Stores['replays'];
let outbox: CompletionOutbox;
beforeAll(async () => {
  ({ database, jobs, replays } = await freshStores());
  db = database.open();
  outbox = createEventStore(db);
});
afterAll(() => database.drop());
afterEach(() => removeJobs(database));

async function hook(notifications: readonly CompletionType[] = COMPLETION_TYPES): Promise<WebhookId> {
  const webhook = await replays.createWebhook(TENANT, { ...draft, notifications });
  if (webhook === 'key_taken') throw new Error('taken');
  return webhook.id;
}

const open = async (webhook?: WebhookId): Promise<JobId> =>
  (await newReplay(replays, webhook ?? (await hook()))).id;

async function claimed(webhook?: WebhookId): Promise<Claim> {
  await open(webhook);
  const claim = await jobs.claim(request);
  if (!claim) throw new Error('nothing to claim');
  return claim;
}

async function completed(webhook?: WebhookId): Promise<JobId> {
  const { lease } = await claimed(webhook);
  await jobs.commit(lease.jobId, proposalOf('OFFSETS_RESOLVED', 1, 1), lease);
  await jobs.commit(lease.jobId, proposalOf('DRAINED', 1, 1), lease, fullCut(9));
  return lease.jobId;
}

const rows = (): Promise<Record<string, unknown>[]> =>
  database.query('SELECT * FROM outbox ORDER BY job_id, seq');
const due = () =>
  database.query(`UPDATE outbox SET due_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE state = 'pending'`);

async function taken(): Promise<TakenEvent> {
  const [event, ...others] = await outbox.takeEvents(WANT);
  expect(others).toEqual([]);
  if (!event) throw new Error('nothing is due');
  return event;
}

/** What moved a job to an end or a pause. */
const steps = () =>
  database.query<{ job_id: string; seq: number; to_state: string }>(
    `SELECT job_id, seq, to_state FROM job_transitions
     WHERE to_state IN ('COMPLETED', 'FAILED', 'CANCELLED', 'PAUSED') AND NOT (from_state <=> to_state)
     ORDER BY job_id, seq`,
  );

const WAYS: Readonly<Record<string, () => Promise<readonly string[]>>> = {
  'the owner drains it': async () => {
    await completed();
    return ['completed'];
  },
  'nothing is to be replayed': async () => {
    const { lease } = await claimed();
    await jobs.commit(lease.jobId, proposalOf('NOTHING_TO_REPLAY', 1, 1), lease);
    return ['completed'];
  },
  'the owner gives it up': async () => {
    const { lease } = await claimed();
    await jobs.commit(lease.jobId, proposalOf('FAILED', 1, 1), lease);
    return ['failed'];
  },
  'the owner pauses it, and it is cancelled then': async () => {
    const { lease } = await claimed();
    await jobs.commit(lease.jobId, proposalOf('OFFSETS_RESOLVED', 1, 1), lease);
    await jobs.commit(lease.jobId, proposalOf('PAUSED', 1, 0), lease);
    await replays.steer(TENANT, lease.jobId, { type: 'LIMITS_CHANGED', change: { maxRate: 1 }, ...asked });
    await replays.steer(TENANT, lease.jobId, { type: 'CANCEL_REQUESTED', ...asked });
    return ['paused', 'cancelled'];
  },
  'nobody owns it as it is paused, resumed and cancelled': async () => {
    const id = await open();
    for (const type of ['PAUSE_REQUESTED', 'RESUME_REQUESTED', 'CANCEL_REQUESTED'] as const) {
      await replays.steer(TENANT, id, { type, ...asked });
    }
    return ['paused', 'cancelled'];
  },
  'its owner is lost with a cancel pending': async () => {
    const { lease } = await claimed();
    await replays.steer(TENANT, lease.jobId, { type: 'CANCEL_REQUESTED', ...asked });
    await endLease(database, lease.jobId);
    expect(await jobs.reclaim(request, 1)).toEqual([]);
    return ['cancelled'];
  },
  'its owners are lost again and again': async () => {
    const { lease } = await claimed();
    for (let times = 0; times < CRASH_LOOP_RECLAIMS; times++) {
      await endLease(database, lease.jobId);
      await jobs.reclaim(request, 1);
    }
    return ['failed'];
  },
};

describe('an event', () => {
  it.each(Object.entries(WAYS))('comes with its fact when %s', async (_name, go) => {
    const names = await go();
    const facts = await steps();
    expect(facts).toHaveLength(names.length);
    expect(await rows()).toMatchObject(
      facts.map(({ job_id, seq }, index) => ({
        ...{ job_id, seq, type: `replay.${names[index] ?? ''}` },
        ...{ state: 'pending', attempts: 0, token: null },
      })),
    );
  });

  it('does not come where it was not asked for', async () => {
    await completed(await hook([]));
    await completed(await hook(['replay.paused']));
    const plain = await replays.createWebhook(TENANT, draft);
    await completed(plain === 'key_taken' ? undefined : plain.id);
    expect(await steps()).toHaveLength(3);
    expect(await rows()).toEqual([]);
  });

  it('that cannot be written undoes its fact', async () => {
    const { lease } = await claimed();
    await database.query(
      `CREATE TRIGGER outbox_full BEFORE INSERT ON outbox FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'full'`,
    );
    await expect(jobs.commit(lease.jobId, proposalOf('FAILED', 1, 1), lease)).rejects.toThrow();
    await database.query('DROP TRIGGER outbox_full');
    expect(await steps()).toEqual([]);
    expect(await replays.replay(TENANT, lease.jobId)).toMatchObject({ state: 'STARTED' });
  });

  it('goes with its job when that is pruned', async () => {
    const id = await completed();
    expect(await rows()).toHaveLength(1);
    await database.query('UPDATE replay_jobs SET updated_at = updated_at - INTERVAL 1 DAY');
    expect(await jobs.prune(60_000, 10)).toBe(1);
    expect(await rows()).toEqual([]);
    expect(await outbox.eventContent({ jobId: id, seq: 4 }, 1)).toBeNull();
  });
});

describe('a sender', () => {
  it('has an event alone, until its lease ends', async () => {
    const id = await completed();
    const [one, two] = await Promise.all([1, 2].map(() => outbox.takeEvents(WANT)));
    expect((one?.length ?? 0) + (two?.length ?? 0)).toBe(1);
    expect([...(one ?? []), ...(two ?? [])][0]).toMatchObject({ jobId: id, seq: 4, attempt: 1 });
    expect(await outbox.takeEvents(WANT)).toEqual([]);
    await due();
    expect(await taken()).toMatchObject({ jobId: id, seq: 4, attempt: 2 });
  });

  it('that comes late changes nothing', async () => {
    await completed();
    const late = await taken();
    await due();
    const next = await taken();
    expect(await outbox.settleEvent(late, { kind: 'delivered', status: 200 })).toBe('fenced');
    expect(await rows()).toMatchObject([{ state: 'pending', token: next.token }]);
    expect(await outbox.settleEvent(next, { kind: 'delivered', status: 204 })).toBe('saved');
    expect(await rows()).toMatchObject([{ state: 'delivered', last_status: 204, token: null, due_at: null }]);
    expect(await outbox.settleEvent(late, { kind: 'given_up', why: 'http_410' })).toBe('fenced');
    expect(await outbox.takeEvents(WANT)).toEqual([]);
  });

  it('does not wait for an event that another one is at', async () => {
    await completed();
    const rogue = await database.connect();
    await rogue.query('BEGIN');
    await rogue.query('SELECT * FROM outbox FOR UPDATE');
    expect(await outbox.takeEvents(WANT)).toEqual([]);
    await rogue.query('ROLLBACK');
    await taken();
  });

  it('gets one event of a webhook at a time, and others’ meanwhile', async () => {
    const webhook = await hook();
    const [first] = [await completed(webhook), await completed(webhook)];
    const other = await completed();
    const some = await outbox.takeEvents(WANT);
    expect(some.map(({ jobId }) => jobId).toSorted()).toEqual([first, other].toSorted());
    expect(await outbox.takeEvents({ ...WANT, busy: [webhook] })).toEqual([]);
    expect(await outbox.takeEvents(WANT)).toHaveLength(1);
  });

  it('is told that the webhook is gone, or wants it no more', async () => {
    const webhook = await hook();
    await completed(webhook);
    await replays.patchWebhook(TENANT, webhook, { notifications: [] });
    expect((await taken()).webhook).toMatchObject({ notifications: [], url: draft.url });
    await replays.deleteWebhook(TENANT, webhook);
    await due();
    expect((await taken()).webhook).toBeNull();
  });

  it('may say when to try again', async () => {
    await completed();
    const event = await taken();
    expect(await outbox.settleEvent(event, { kind: 'again', afterMs: 60_000, why: 'http_503' })).toBe(
      'saved',
    );
    expect(await outbox.takeEvents(WANT)).toEqual([]);
    expect(await rows()).toMatchObject([{ state: 'pending', last_status: 503, last_failure: 'http_503' }]);
    const [row] = await database.query<{ wait: string }>(
      'SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), due_at) AS wait FROM outbox',
    );
    expect(Number(row?.wait)).toBeGreaterThan(40);
    await due();
    const again = await taken();
    await outbox.settleEvent(again, { kind: 'given_up', why: 'é'.repeat(100) });
    expect(await rows()).toMatchObject([{ state: 'given_up', attempts: 2, last_failure: 'é'.repeat(64) }]);
  });
});

describe('the content of an event', () => {
  it('is the job as its fact left it, however it went on', async () => {
    const { lease } = await claimed();
    await jobs.commit(lease.jobId, proposalOf('OFFSETS_RESOLVED', 1, 1), lease);
    await jobs.commit(lease.jobId, proposalOf('PAUSED', 1, 0), lease, fullCut(9));
    const event = await taken();
    const before = await outbox.eventContent(event, 10);
    expect(before).toMatchObject({ job: { state: 'PAUSED', pauseReason: 'endpoint_gone' }, minutes: null });
    await replays.steer(TENANT, lease.jobId, { type: 'RESUME_REQUESTED', ...asked });
    const after = await outbox.eventContent(event, 10);
    expect(after?.job).toMatchObject({ state: 'PAUSED', pauseReason: 'endpoint_gone', version: 4 });
    expect(after?.job.counts).toEqual(before?.job.counts);
    expect([after?.atMs, after?.minutes]).toEqual([before?.atMs, null]);
  });

  it('of an end has its minutes, or only their number', async () => {
    const jobId = await completed();
    await database.query(`INSERT INTO minute_ledger SELECT job_id, minute + 1, delivered, delivered_digest,
      dead_lettered, dead_lettered_digest, resent FROM minute_ledger`);
    const all = await outbox.eventContent({ jobId, seq: 4 }, 2);
    expect(all).toMatchObject({
      minuteCount: 2,
      job: { state: 'COMPLETED', gaps: [{ reason: 'retention' }] },
    });
    expect(all?.minutes?.map(({ minute }) => minute)).toEqual([
      '1970-01-01T00:00:00.000Z',
      '1970-01-01T00:01:00.000Z',
    ]);
    expect(await outbox.eventContent({ jobId, seq: 4 }, 1)).toMatchObject({ minutes: null, minuteCount: 2 });
  });
});

describe('a webhook', () => {
  it('keeps its notifications when its batches change, and the other way round', async () => {
    const id = await hook(['replay.failed']);
    const delivery = { mode: 'ndjson', maxEvents: 5, maxBytes: 2_000 } as const;
    expect(await replays.patchWebhook(TENANT, id, { delivery })).toMatchObject({
      delivery,
      notifications: ['replay.failed'],
    });
    const changed = await replays.patchWebhook(TENANT, id, { notifications: ['replay.paused'] });
    expect(changed).toMatchObject({ delivery, notifications: ['replay.paused'] });
  });
});

it('tells how many events are pending, and since when', async () => {
  expect(await readOutboxGauges(db)).toEqual({ pending: 0, oldestSeconds: 0 });
  await completed();
  await completed();
  await database.query('UPDATE outbox SET created_at = created_at - INTERVAL 1 HOUR');
  const { pending, oldestSeconds } = await readOutboxGauges(db);
  expect(pending).toBe(2);
  expect(oldestSeconds).toBeGreaterThan(3_000);
});
