import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import type { PromisedConnection } from '../../support/promised-sender.ts';
import { Receiver } from '../../support/receiver.ts';
import type { ReceiverOptions } from '../../support/receiver.ts';
import { connectLocal, request, sendAgainWhenStale } from './sender-fixture.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function setUp(
  options: ReceiverOptions = {},
  connections = 1,
): Promise<{ receiver: Receiver; connection: PromisedConnection }> {
  const receiver = await Receiver.start(options);
  const connection = connectLocal(receiver.url, connections);
  closers.push(() => receiver.close());
  return { receiver, connection };
}

describe('an answer', () => {
  test('carries status and Retry-After, and the request arrives as it was given', async () => {
    const { receiver, connection } = await setUp({
      answer: { status: 503, headers: { 'retry-after': '7' } },
    });
    const answer = await connection.send(request());
    expect(answer).toMatchObject({ kind: 'answered', status: 503, retryAfterMs: 7_000 });
    expect(receiver.records[0]).toMatchObject({ path: '/hook', webhookId: 'evt-1', bytes: 11 });
    expect(receiver.records[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': '11',
      host: `127.0.0.1:${receiver.port}`,
    });
  });

  test('of 3xx is not followed', async () => {
    const { receiver, connection } = await setUp({ answer: 'redirect' });
    expect(await connection.send(request())).toMatchObject({ kind: 'answered', status: 302 });
    expect(receiver.requests).toBe(1);
  });

  test('900 KB arrive byte for byte', async () => {
    const { receiver, connection } = await setUp();
    const body = randomBytes(900 * 1024);
    expect(await connection.send(request({ body }))).toMatchObject({ status: 200 });
    expect(receiver.records[0]?.body?.equals(body)).toBe(true);
  });

  test('an empty body is sent with content-length 0', async () => {
    const { receiver, connection } = await setUp();
    await connection.send(request({ body: Buffer.alloc(0) }));
    expect(receiver.records[0]?.headers['content-length']).toBe('0');
  });
});

describe('a receiver that misbehaves ends within the deadline', () => {
  const deadlineMs = 300;
  test.each(['hang', 'endless103', 'dripHead'] as const)('%s: time-out', async (answer) => {
    const { connection } = await setUp({ answer });
    const result = await connection.send(request({ deadlineMs }));
    expect(result).toMatchObject({ kind: 'unanswered', failure: 'timeout', maybeSent: true });
    expect(result.durationMs).toBeLessThan(deadlineMs + 1_000);
  });

  test.each([
    ['reset', 'reset'],
    ['badProtocol', 'protocol'],
    ['hugeHead', 'protocol'],
  ] as const)('%s: %s', async (answer, failure) => {
    const { receiver, connection } = await setUp({ answer });
    expect(await connection.send(request())).toMatchObject({ kind: 'unanswered', failure, maybeSent: true });
    // A fresh socket that dies is no keep-alive race: not sent again.
    expect(receiver.requests).toBe(1);
  });

  test.each(['drip', 'hugeBody', 'brokenBody'] as const)('%s: the head has decided', async (answer) => {
    const { receiver, connection } = await setUp({ answer });
    expect(await connection.send(request({ deadlineMs }))).toMatchObject({ kind: 'answered', status: 200 });
    receiver.set({ status: 204 });
    // The only socket is usable again, at the latest when the rest of the body was given up.
    expect(await connection.send(request())).toMatchObject({ kind: 'answered', status: 204 });
    await connection.close();
  });

  test('endless bodies leave no memory behind', async () => {
    const { connection } = await setUp({ answer: 'hugeBody' }, 4);
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 12; round += 1) {
      await Promise.all([1, 2, 3, 4].map(() => connection.send(request())));
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });

  test('floods as answers are taken at a bounded rate: each costs a dial', async () => {
    const { receiver, connection } = await setUp({ answer: 'hugeBody' }, 2);
    const startedMs = performance.now();
    const sends = Array.from({ length: 10 }, () => connection.send(request({ deadlineMs: 10_000 })));
    for (const answer of await Promise.all(sends)) expect(answer).toMatchObject({ status: 200 });
    // Five on each of two places, and a rest between them.
    expect(performance.now() - startedMs).toBeGreaterThan(990);
    expect(receiver.connections).toBe(10);
    await connection.close();
  });

  test('a port that nobody listens on: refused, nothing sent', async () => {
    const { receiver, connection } = await setUp();
    await receiver.down();
    expect(await connection.send(request())).toMatchObject({ failure: 'refused', maybeSent: false });
    await receiver.up();
    expect(await connection.send(request())).toMatchObject({ status: 200 });
  });

  test('headers that HTTP does not allow are an Answer too', async () => {
    const { connection } = await setUp();
    const answer = await connection.send(request({ headers: ['x-bad', 'a\nb'] }));
    expect(answer).toMatchObject({ failure: 'protocol', maybeSent: false });
  });
});

describe('sockets', () => {
  test('are reused, and never more than allowed', async () => {
    const { receiver, connection } = await setUp({ answer: { status: 200, delayMs: 2 } }, 3);
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        connection.send(request({ headers: ['webhook-id', `e${index}`] })),
      ),
    );
    expect(answers.every((answer) => answer.kind === 'answered' && answer.status === 200)).toBe(true);
    expect(receiver.connections).toBe(3);
    expect(receiver.distinctIds).toBe(60);
  });

  test('that the receiver closes between requests lose nothing', async () => {
    const { receiver, connection } = await setUp();
    for (let index = 0; index < 60; index += 1) {
      expect(await sendAgainWhenStale(connection)).toMatchObject({ kind: 'answered', status: 200 });
      receiver.closeConnections();
    }
    expect(receiver.requests).toBe(60);
  });

  test('that die on the request are told as stale when used, and nothing is sent twice unasked', async () => {
    const { receiver, connection } = await setUp();
    await connection.send(request());
    receiver.set('reset');
    expect(await connection.send(request())).toMatchObject({ failure: 'stale', maybeSent: true });
    expect(receiver.requests).toBe(2);
    // The next one has a fresh socket: that one dies too is no race any more.
    expect(await connection.send(request())).toMatchObject({ failure: 'reset', maybeSent: true });
    expect(receiver.requests).toBe(3);
    receiver.set({ status: 200 });
    expect(await connection.send(request())).toMatchObject({ kind: 'answered', status: 200 });
    expect(receiver.requests).toBe(4);
  });

  test('that die within an answer are no race: a byte of it came', async () => {
    const { receiver, connection } = await setUp();
    await connection.send(request());
    receiver.set('badProtocol');
    expect(await connection.send(request())).toMatchObject({ failure: 'protocol', maybeSent: true });
    expect(receiver.requests).toBe(2);
  });

  test('are not used again when the receiver says that it does not keep them', async () => {
    const { receiver, connection } = await setUp({
      answer: { status: 200, headers: { 'keep-alive': 'timeout=1' } },
    });
    for (let index = 0; index < 3; index += 1) {
      expect(await connection.send(request())).toMatchObject({ status: 200 });
    }
    expect(receiver.connections).toBe(3);
    receiver.set({ status: 200, headers: { connection: 'close' } });
    for (let index = 0; index < 2; index += 1) {
      expect(await connection.send(request())).toMatchObject({ status: 200 });
    }
    expect(receiver.connections).toBe(5);
    receiver.set({ status: 200 });
    for (let index = 0; index < 3; index += 1) {
      expect(await connection.send(request())).toMatchObject({ status: 200 });
    }
    expect(receiver.connections).toBe(6);
  });

  test('a body is told free only when it has left, and may be changed then', async () => {
    const { receiver, connection } = await setUp();
    const body = Buffer.alloc(300 * 1024, 'a');
    const left: Buffer[] = [];
    const bodyLeft = (given: Buffer): void => {
      left.push(given);
      given.fill('b');
    };
    expect(await connection.send(request({ body, bodyLeft }))).toMatchObject({ status: 200 });
    receiver.set('reset');
    const broken = Buffer.alloc(300 * 1024, 'c');
    expect(await connection.send(request({ body: broken, bodyLeft }))).toMatchObject({ kind: 'unanswered' });
    expect(left).toHaveLength(1);
    expect(left[0]).toBe(body);
    expect(receiver.records[0]?.body?.every((byte) => byte === 0x61)).toBe(true);
  });

  test('waiting for a socket counts against the deadline', async () => {
    const { connection } = await setUp({ answer: 'hang' });
    const [first, second] = await Promise.all([
      connection.send(request({ deadlineMs: 400 })),
      connection.send(request({ deadlineMs: 100 })),
    ]);
    expect(first).toMatchObject({ failure: 'timeout', maybeSent: true });
    expect(second).toMatchObject({ failure: 'timeout', maybeSent: false });
  });
});

describe('ending', () => {
  test('an abort ends all requests of its signal, and only those', async () => {
    const { receiver, connection } = await setUp({ answer: 'hang' }, 20);
    const [mine, others] = [new AbortController(), new AbortController()];
    const sends = Array.from({ length: 15 }, () => connection.send(request({ signal: mine.signal })));
    const other = connection.send(request({ signal: others.signal, deadlineMs: 400 }));
    await receiver.waitFor(({ requests }) => requests === 16);
    mine.abort();
    for (const answer of await Promise.all(sends))
      expect(answer).toMatchObject({ failure: 'aborted', maybeSent: true });
    expect(await other).toMatchObject({ failure: 'timeout' });
    expect(await connection.send(request({ signal: mine.signal }))).toMatchObject({ failure: 'aborted' });
  });

  test('close lets those in flight be answered and refuses new ones', async () => {
    const { receiver, connection } = await setUp({ answer: { status: 200, delayMs: 50 } }, 2);
    const sends = [connection.send(request()), connection.send(request()), connection.send(request())];
    const closed = connection.close();
    expect(await connection.send(request())).toMatchObject({ failure: 'aborted', maybeSent: false });
    await closed;
    for (const answer of await Promise.all(sends)) expect(answer).toMatchObject({ status: 200 });
    expect(receiver.requests).toBe(3);
  });
});
