// The courier over an outbox in memory: what each answer of a receiver leads to, and who waits for whom. The clock
// is the test's, so no retry is waited for.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepSending } from '../../../src/actors/courier.ts';
import type { Courier } from '../../../src/actors/courier.ts';
import type { CompletionOutbox, EventFate, TakenEvent } from '../../../src/domain/completion.ts';
import { systemClock } from '../../../src/domain/clock.ts';
import { asJobId } from '../../../src/domain/ids.ts';
import { NO_COUNTS } from '../../../src/domain/job.ts';
import { UNPROVEN } from '../../../src/domain/proof.ts';
import type { Answer, SendRequest } from '../../../src/domain/sender.ts';
import { JOB_SPEC } from '../../support/example.ts';
import { senderOf } from '../../support/promised-sender.ts';

const DAY_MS = 86_400_000;
const WEBHOOK = {
  url: 'http://127.0.0.1:9/hook',
  secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
  notifications: ['replay.completed'] as const,
  headers: [['authorization', 'Bearer of the receiver']] as const,
  profile: 'standard' as const,
  validity: UNPROVEN,
};
const answered = (status: number, retryAfterMs: number | null = null): Answer => ({
  kind: 'answered',
  status,
  retryAfterMs,
  durationMs: 1,
});
const event = (some: Partial<TakenEvent> = {}): TakenEvent => ({
  jobId: '5',
  seq: 4,
  webhookId: '7',
  type: 'replay.completed',
  token: 't',
  attempt: 1,
  ageMs: 0,
  webhook: WEBHOOK,
  ...some,
});

let stopping: AbortController;
let running: Promise<void>[];
beforeEach(() => {
  stopping = new AbortController();
  running = [];
});
afterEach(async () => {
  stopping.abort();
  await Promise.all(running);
});

interface Scene {
  readonly sent: SendRequest[];
  readonly signals: { name: string; fields: unknown }[];
  /** By event. */
  readonly fate: (jobId?: string) => Promise<EventFate>;
}

function run(
  events: readonly TakenEvent[],
  send: (request: SendRequest) => Promise<Answer>,
  change: Partial<Courier> = {},
  outbox: Partial<CompletionOutbox> = {},
): Scene {
  const sent: SendRequest[] = [];
  const signals: Scene['signals'] = [];
  const waiting = [...events];
  const fates = new Map<string, PromiseWithResolvers<EventFate>>();
  const fateOf = (jobId: string) => {
    const fate = fates.get(jobId) ?? Promise.withResolvers<EventFate>();
    fates.set(jobId, fate);
    return fate;
  };
  const courier: Courier = {
    outbox: {
      takeEvents: ({ busy }) => {
        const next = waiting.findIndex(({ webhookId }) => !busy.includes(webhookId));
        return Promise.resolve(next < 0 ? [] : waiting.splice(next, 1));
      },
      eventContent: ({ jobId, seq }) =>
        Promise.resolve({
          job: {
            ...{ id: asJobId(jobId), state: 'COMPLETED', version: seq, spec: JOB_SPEC, outcome: 'complete' },
            ...{ pauseReason: null, failReason: null, pins: [], counts: NO_COUNTS, duplicateBound: 0 },
            ...{ reclaims: 0, gaps: [], createdAtMs: 0, updatedAtMs: 1 },
          },
          atMs: 1,
          minutes: [],
          minuteCount: 0,
        }),
      settleEvent: (taken, fate) => {
        fateOf(taken.jobId).resolve(fate);
        return Promise.resolve('saved');
      },
      ...outbox,
    },
    sender: senderOf((request) => {
      sent.push(request);
      return send(request);
    }),
    emit: (name, fields) => signals.push({ name, fields }),
    random: () => 0.5,
    clock: systemClock,
    pollIntervalMs: 5,
    requestTimeoutMs: 1_000,
    retryBaseMs: 1_000,
    retryForMs: DAY_MS,
    proof: 'off',
    ...change,
  };
  running.push(keepSending(courier, stopping.signal));
  return { sent, signals, fate: (jobId = '5') => fateOf(jobId).promise };
}

const headersOf = ({ headers }: SendRequest): ReadonlyMap<string, string> =>
  new Map(
    Array.from({ length: headers.length / 2 }, (_, at) => [headers[2 * at] ?? '', headers[2 * at + 1] ?? '']),
  );

describe('an answer', () => {
  it('of 2xx is the end, and the message was a Standard Webhook with a stable id', async () => {
    const { sent, fate, signals } = run([event()], () => Promise.resolve(answered(204)));
    expect(await fate()).toEqual({ kind: 'delivered', status: 204 });
    const [request] = sent;
    if (!request) throw new Error('nothing was sent');
    expect(Object.fromEntries(headersOf(request))).toMatchObject({
      'webhook-id': 'reprise_5_4',
      'reprise-notification': 'replay.completed',
      'reprise-attempt': '1',
    });
    expect(JSON.parse(request.body.toString())).toMatchObject({
      type: 'replay.completed',
      data: { replayId: '5', final: true },
    });
    await expect.poll(() => signals.map(({ name }) => name)).toEqual(['completion.delivered']);
  });

  it.each([
    ['503', answered(503), { kind: 'again', afterMs: 500, why: 'http_503' }],
    ['a redirection', answered(302), { kind: 'again', afterMs: 500, why: 'http_302' }],
    ['400', answered(400), { kind: 'again', afterMs: 500, why: 'http_400' }],
    ['429 with Retry-After', answered(429, 7_000), { kind: 'again', afterMs: 7_000, why: 'http_429' }],
    ['a Retry-After of days', answered(503, DAY_MS), { kind: 'again', afterMs: 3_600_000, why: 'http_503' }],
    ['410', answered(410), { kind: 'given_up', why: 'http_410' }],
    [
      'none',
      { kind: 'unanswered', failure: 'refused', maybeSent: false, durationMs: 1 } as const,
      { kind: 'again', afterMs: 500, why: 'refused' },
    ],
  ])('of %s', async (_name, answer, expected) => {
    expect(await run([event()], () => Promise.resolve(answer)).fate()).toEqual(expected);
  });
});

describe('the time between attempts', () => {
  const refuse = () => Promise.resolve(answered(500));

  it('doubles up to an hour, with jitter', async () => {
    expect(await run([event({ attempt: 4 })], refuse).fate()).toMatchObject({ afterMs: 4_000 });
    expect(await run([event({ attempt: 60 })], refuse).fate()).toMatchObject({ afterMs: 1_800_000 });
    const late = run([event({ attempt: 4 })], refuse, { random: () => 0.75 });
    expect(await late.fate()).toMatchObject({ afterMs: 6_000 });
  });

  it('ends with the last attempt at the end of the whole time', async () => {
    const near = event({ attempt: 30, ageMs: DAY_MS - 60_000 });
    expect(await run([near], refuse).fate()).toMatchObject({ kind: 'again', afterMs: 60_000 });
    const over = run([event({ attempt: 30, ageMs: DAY_MS })], refuse);
    expect(await over.fate()).toEqual({ kind: 'given_up', why: 'http_500' });
    expect(over.sent).toHaveLength(1);
  });
});

describe('an event', () => {
  const never = () => Promise.reject(new Error('nothing may be sent'));

  it.each([
    ['whose webhook is gone', { webhook: null }, 'webhook_deleted'],
    ['that is not wanted any more', { webhook: { ...WEBHOOK, notifications: [] } }, 'not_wanted'],
  ])('%s is not sent', async (_name, some, why) => {
    const { fate, sent } = run([event(some)], never);
    expect(await fate()).toEqual({ kind: 'given_up', why });
    expect(sent).toEqual([]);
  });

  it.each([
    ['x', 'sha256='],
    ['standard', undefined],
  ] as const)('to a webhook of profile %s is signed and said in its words', async (profile, start) => {
    const { fate, sent } = run([event({ webhook: { ...WEBHOOK, profile } })], () =>
      Promise.resolve(answered(200)),
    );
    expect(await fate()).toMatchObject({ kind: 'delivered' });
    const [request] = sent;
    const at = request?.headers.indexOf('x-twitter-webhooks-signature') ?? -1;
    expect(at < 0 ? undefined : request?.headers[at + 1]?.slice(0, 7)).toBe(start);
    const own = request?.headers.indexOf('authorization') ?? -1;
    expect(request?.headers[own + 1]).toBe('Bearer of the receiver');
    const body = JSON.parse(String(request?.body)) as object;
    expect(Object.keys(body)).toEqual(
      profile === 'x' ? ['replay_job_status'] : ['type', 'timestamp', 'data'],
    );
  });

  it('to a webhook that is invalid waits until it is valid, where proof is demanded', async () => {
    const webhook = { ...WEBHOOK, profile: 'x', validity: { ...UNPROVEN, state: 'invalid' } } as const;
    const held = run([event({ webhook })], never, { proof: 'x' });
    expect(await held.fate()).toMatchObject({ kind: 'again', why: 'webhook_invalid' });
    const sent = run([event({ webhook })], () => Promise.resolve(answered(200)), { proof: 'off' });
    expect(await sent.fate()).toMatchObject({ kind: 'delivered' });
  });

  it('of a pruned replay is not sent', async () => {
    const { fate } = run([event()], never, {}, { eventContent: () => Promise.resolve(null) });
    expect(await fate()).toEqual({ kind: 'given_up', why: 'replay_pruned' });
  });

  it('that cannot be built waits like any other, and stops nobody', async () => {
    const broken = event({ webhook: { ...WEBHOOK, secrets: ['none'] } });
    const fine = event({ jobId: '6', webhookId: '8' });
    const { fate } = run([broken, fine], () => Promise.resolve(answered(200)));
    expect(await fate()).toMatchObject({ kind: 'again', afterMs: 500 });
    expect(await fate('6')).toMatchObject({ kind: 'delivered' });
  });

  it('is not handed over when half of its lease is gone before a socket is there', async () => {
    let monoMs = 0;
    const clock = { monoMs: () => monoMs, wallMs: () => 0 };
    const may: boolean[] = [];
    const send = ({ mayHandOver }: SendRequest) => {
      may.push(mayHandOver());
      monoMs += 5_000;
      may.push(mayHandOver());
      return Promise.resolve(answered(200));
    };
    await run([event()], send, { clock }).fate();
    expect(may).toEqual([true, false]);
  });

  it('waits for the one before it of its webhook, not for those of others', async () => {
    const hung = Promise.withResolvers<Answer>();
    const events = [event(), event({ jobId: '6' }), event({ jobId: '9', webhookId: '8' })];
    const send = (request: SendRequest) =>
      headersOf(request).get('webhook-id') === 'reprise_5_4' ? hung.promise : Promise.resolve(answered(200));
    const { fate, sent } = run(events, send);
    expect(await fate('9')).toMatchObject({ kind: 'delivered' });
    expect(sent).toHaveLength(2);
    hung.resolve(answered(200));
    expect(await fate('6')).toMatchObject({ kind: 'delivered' });
  });
});

it('outlives a database that is away, and lets what is under way end before it stops', async () => {
  let looks = 0;
  const held = Promise.withResolvers<Answer>();
  const taking = () => {
    looks++;
    if (looks < 3) return Promise.reject(new Error('away'));
    return Promise.resolve(looks === 3 ? [event()] : []);
  };
  const { fate, sent } = run([], () => held.promise, {}, { takeEvents: taking });
  await expect.poll(() => sent.length).toBe(1);
  stopping.abort();
  let hasStopped = false;
  void running[0]?.then(() => (hasStopped = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(hasStopped).toBe(false);
  held.resolve(answered(200));
  expect(await fate()).toMatchObject({ kind: 'delivered' });
  await running[0];
});
