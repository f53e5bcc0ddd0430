// The account that a replay gives of itself: the REST answers, the history, and the metrics tell the same story,
// and it is what happened.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobView } from '../../src/domain/store.ts';
import { checkHistory } from '../support/database.ts';
import type { RawRecord } from '../support/kafka-log.ts';
import { Stage } from '../support/stage.ts';
import type { Listener } from '../support/stage.ts';

const FROM = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const RANGE = { fromMs: FROM, toMs: FROM + 600_000 };
const demanded = process.env['REPRISE_TEST_PROMTOOL'];
const promtool = demanded ?? 'promtool';
const isMissing = demanded === undefined && spawnSync(promtool, ['--version']).error !== undefined;

interface Step {
  readonly seq: number;
  readonly type: string;
  readonly from: string | null;
  readonly to: string;
  readonly fence: number;
  readonly owner: string | null;
  readonly at: string;
  readonly by: string | null;
  readonly body: { readonly type: string; readonly seq: number };
}
interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

let stage: Stage;
let listener: Listener;
let job: JobView;
/** The answer to the request of a second replay, of a range without events. */
let asked: { readonly status: number; readonly headers: Headers; readonly body: Record<string, unknown> };
/** 40 events, 10 of them twice, 3 tombstones, 2 that are rejected, 5 that fail once. */
beforeAll(async () => {
  stage = await Stage.open();
  listener = await stage.listen();
  const { key, receiver } = listener;
  const records: RawRecord[] = [];
  for (let index = 0; index < 40; index++) {
    const event = { key, eventId: `e${index}`, value: `{"event":${index}}`, timestampMs: FROM + index };
    records.push(event);
    if (index % 4 === 0) records.push(event);
  }
  const tombstone = { key, value: null, timestampMs: FROM };
  records.push(tombstone, tombstone, tombstone, { ...tombstone, value: 'outside', timestampMs: FROM - 1 });
  await stage.log.write(stage.scene.topic, records);
  receiver.set(({ webhookId, headers }) => {
    if (webhookId === 'e7' || webhookId === 'e8') return { status: 400 };
    return { status: /^e3[0-4]$/.test(webhookId) && headers['reprise-attempt'] === '1' ? 500 : 200 };
  });
  job = await listener.replayed(RANGE);
  asked = await stage.instance.call('POST', `/v1/webhooks/${listener.webhook.id}/replays`, {
    from: new Date(FROM - 2_000).toISOString(),
    to: new Date(FROM - 1_000).toISOString(),
  });
  await stage.scene.untilState(String(asked.body['id']), 'COMPLETED');
});
afterAll(() => stage.close());

describe('the replay', () => {
  test('counts what happened: matched = delivered + duplicates + filtered + deadLettered', async () => {
    const { status, body } = await stage.instance.call('GET', `/v1/replays/${job.id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: job.id,
      webhookId: listener.webhook.id,
      state: 'COMPLETED',
      outcome: 'incomplete',
      from: new Date(RANGE.fromMs).toISOString(),
      to: new Date(RANGE.toMs).toISOString(),
      counts: {
        matched: 50,
        delivered: 38,
        duplicates: 10,
        filtered: 0,
        deadLettered: 2,
        tombstones: 3,
        unanswered: 0,
        evicted: 0,
      },
      fence: 1,
      duplicateBound: 0,
      rate: null,
      etaMs: null,
      waitingUntil: null,
      owner: null,
      reclaims: 0,
      partition: listener.partition,
      site: 'dc1',
      gaps: [],
      version: 4,
    });
    expect(listener.accepted).toHaveLength(38);
    expect(listener.receiver.requests).toBe(38 + 5 + 2 * 3);
  });

  test('stands with its cut at the pinned end, and nothing owed', async () => {
    const { body } = await stage.instance.call<{
      cut: Record<string, unknown>;
      pins: { source: string; end: string }[];
    }>('GET', `/v1/replays/${job.id}`);
    expect(body.pins).toHaveLength(1);
    const ends = body.pins.map(({ source, end }) => [source, { next: end, owed: 0 }]);
    expect(body.cut).toEqual(Object.fromEntries(ends));
  });

  test('has a history without gaps, which folds to its row', async () => {
    const steps: Step[] = [];
    let cursor = '';
    do {
      const query = `?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const { status, body } = await stage.instance.call<Page<Step>>(
        'GET',
        `/v1/replays/${job.id}/transitions${query}`,
      );
      expect(status).toBe(200);
      steps.push(...body.items);
      cursor = body.nextCursor ?? '';
    } while (cursor !== '');
    expect(steps.map(({ seq, type, from, to, fence }) => [seq, type, from, to, fence])).toEqual([
      [1, 'REQUESTED', null, 'OPEN', 0],
      [2, 'CLAIMED', 'OPEN', 'STARTED', 1],
      [3, 'OFFSETS_RESOLVED', 'STARTED', 'ONGOING', 1],
      [4, 'DRAINED', 'ONGOING', 'COMPLETED', 1],
    ]);
    expect(steps.map(({ body }) => [body.seq, body.type])).toEqual(steps.map(({ seq, type }) => [seq, type]));
    const owners = new Set(steps.slice(1).map(({ owner }) => owner));
    expect([...owners]).toEqual([expect.stringMatching(/^stage-/)]);
    const times = steps.map(({ at }) => Date.parse(at));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    await checkHistory(stage.scene.database, job.id);
  });

  test('is found by its Location and in the list, newest first', async () => {
    expect(asked.status).toBe(202);
    const id = asked.body['id'];
    const location = asked.headers.get('location') ?? '';
    expect(location).toBe(`/v1/replays/${String(id)}`);
    const found = await stage.instance.call('GET', location);
    expect(found.body).toMatchObject({ id, outcome: 'complete', counts: { matched: 0 } });
    const list = await stage.instance.call<Page<{ id: string }>>('GET', '/v1/replays');
    expect(list.body.items.map(({ id }) => id)).toEqual([id, job.id]);
  });
});

describe('/metrics', () => {
  /** Values by name and labels as they are exposed. */
  async function metrics(): Promise<ReadonlyMap<string, number>> {
    const lines = (await exposition()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
    );
  }
  const exposition = async (): Promise<string> => (await fetch(`${stage.instance.url}/metrics`)).text();

  test('moved with what happened', async () => {
    // The actor of a job ends a moment after its row says COMPLETED.
    const seen = await stage.scene.fact('no job runs', async () => {
      const now = await metrics();
      return now.get('reprise_running_jobs') === 0 && now;
    });
    const source = `source="dc1/${stage.scene.topic}"`;
    const expected = {
      reprise_replays_requested_total: 2,
      reprise_job_claims_total: 2,
      reprise_job_reclaims_total: 0,
      reprise_job_crashes_total: 0,
      reprise_job_fenced_total: 0,
      'reprise_job_transitions_total{fact="CLAIMED"}': 2,
      'reprise_job_transitions_total{fact="OFFSETS_RESOLVED"}': 2,
      'reprise_job_transitions_total{fact="DRAINED"}': 2,
      'reprise_jobs_ended_total{state="COMPLETED",outcome="incomplete"}': 1,
      'reprise_jobs_ended_total{state="COMPLETED",outcome="complete"}': 1,
      reprise_job_duration_seconds_count: 2,
      [`reprise_read_matched_total{${source}}`]: 53,
      reprise_dedupe_duplicates_total: 10,
      reprise_dedupe_tombstones_total: 3,
      'reprise_delivery_attempts_total{outcome="delivered"}': 38,
      'reprise_delivery_attempts_total{outcome="retry_http_5xx"}': 5,
      'reprise_delivery_attempts_total{outcome="retry_http_4xx"}': 4,
      'reprise_delivery_attempts_total{outcome="dead_letter_http_4xx"}': 2,
      'reprise_delivery_dead_letters_total{reason="http_400"}': 2,
      reprise_delivery_attempt_seconds_count: 49,
      reprise_delivery_in_flight: 0,
      reprise_memory_budget_used_bytes: 0,
      reprise_owed_events: 0,
      'reprise_jobs{state="COMPLETED"}': 2,
      reprise_database_up: 1,
      'reprise_log_up{site="dc1"}': 1,
    };
    const names = Object.keys(expected);
    expect(Object.fromEntries(names.map((name) => [name, seen.get(name)]))).toEqual(expected);
    for (const name of ['read_records_total', 'read_bytes_total']) {
      expect(seen.get(`reprise_${name}{${source}}`), name).toBeGreaterThan(50);
    }
    for (const name of ['store_commit_seconds', 'cut_save_seconds', 'pool_poll_seconds']) {
      expect(seen.get(`reprise_${name}_count`), name).toBeGreaterThan(0);
    }
  });

  test.skipIf(isMissing)('passes promtool check metrics', async () => {
    const tool = spawn(promtool, ['check', 'metrics']);
    const ended = once(tool, 'close');
    tool.stdin.end(await exposition());
    const said = await Promise.all([text(tool.stdout), text(tool.stderr)]);
    expect(said.join('')).toBe('');
    expect((await ended)[0]).toBe(0);
  });
});
