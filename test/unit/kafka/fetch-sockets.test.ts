// The bytes of a Fetch response go past KafkaJS, all others reach it as they were sent, however the network cuts
// them; and what was given back is in nobody's hands.

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { FETCH_KEY } from '../../../src/kafka/fetch-protocol.ts';
import { FetchSockets } from '../../../src/kafka/fetch-sockets.ts';
import { TEST_CERT, TEST_KEY } from '../../integration/webhook/tls-fixture.ts';

const METADATA_KEY = 3;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

interface Wire {
  readonly sockets: FetchSockets;
  readonly client: Socket;
  readonly server: Socket;
  /** What KafkaJS would have got. */
  readonly seen: Buffer[];
  /** Resolves when KafkaJS has got so many bytes. */
  sees(bytes: number): Promise<Buffer>;
}

async function wire(tls: boolean, sockets = new FetchSockets()): Promise<Wire> {
  const accepted = Promise.withResolvers<Socket>();
  const accept = (socket: Socket): void => accepted.resolve(socket.on('error', () => undefined).setNoDelay());
  const listening = tls ? createTlsServer({ key: TEST_KEY, cert: TEST_CERT }, accept) : createServer(accept);
  listening.listen(0);
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const connected = Promise.withResolvers<undefined>();
  const ssl = tls ? { ca: TEST_CERT, servername: 'receiver.test' } : null;
  // A name with two addresses: Node may take a second socket for the second one.
  const client = sockets.open({
    host: 'localhost',
    port,
    ssl,
    onConnect: () => connected.resolve(undefined),
  });
  const seen: Buffer[] = [];
  const came = { wake: (): void => undefined };
  client.on('data', (chunk: Buffer) => {
    seen.push(chunk);
    came.wake();
  });
  client.on('error', connected.reject);
  await connected.promise;
  const server = await accepted.promise;
  endings.push(async () => {
    client.destroy();
    server.destroy();
    listening.close();
    await once(listening, 'close');
  });
  const sees = async (bytes: number): Promise<Buffer> => {
    for (;;) {
      const all = Buffer.concat(seen);
      if (all.length >= bytes) return all;
      const { promise, resolve } = Promise.withResolvers<undefined>();
      came.wake = () => resolve(undefined);
      await promise;
    }
  };
  return { sockets, client, server, seen, sees };
}

function frame(id: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + body.length, 0);
  head.writeInt32BE(id, 4);
  return Buffer.concat([head, body]);
}

function request(key: number, id: number): Buffer {
  const bytes = Buffer.alloc(14);
  bytes.writeInt32BE(10, 0);
  bytes.writeInt16BE(key, 4);
  bytes.writeInt32BE(id, 8);
  return bytes;
}

const STAND_IN = 12;
/** The payload of the stand-in frame that KafkaJS got last. */
const payloadOf = (all: Buffer): Buffer => all.subarray(all.length - 4);
const body = (length: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 31 + seed) & 0xff));

async function fetched(on: Wire, id: number, bytes: Buffer): Promise<Buffer> {
  on.client.write(request(FETCH_KEY, id));
  await once(on.server, 'data');
  const before = Buffer.concat(on.seen).length;
  on.server.write(frame(id, bytes));
  const got = on.sockets.collect(payloadOf(await on.sees(before + STAND_IN)));
  if (got === null) throw new Error('nothing has landed');
  return got;
}

describe.each([false, true])('with TLS: %s', (tls) => {
  it('each frame arrives as it was sent, however it is cut', async () => {
    const on = await wire(tls);
    let id = 0;
    const drawn = fc.record({
      isFetch: fc.boolean(),
      length: fc.oneof(fc.integer({ min: 14, max: 40 }), fc.integer({ min: 14, max: 400_000 })),
      before: fc.integer({ min: 0, max: 60 }),
      cuts: fc.array(fc.integer({ min: 1, max: 70_000 }), { maxLength: 6 }),
    });
    const holds = fc.asyncProperty(drawn, async ({ isFetch, length, before, cuts }) => {
      // Another answer before it, in the same chunk.
      const [first, own] = [++id, ++id];
      on.client.write(request(METADATA_KEY, first));
      on.client.write(request(isFetch ? FETCH_KEY : METADATA_KEY, own));
      const ahead = frame(first, body(before, first));
      const sent = frame(own, body(length, own));
      on.seen.length = 0;
      let rest = Buffer.concat([ahead, sent]);
      for (const cut of cuts) {
        on.server.write(rest.subarray(0, cut));
        rest = rest.subarray(cut);
        await new Promise(setImmediate);
      }
      on.server.write(rest);
      const all = await on.sees(ahead.length + (isFetch ? STAND_IN : sent.length));
      expect(all.subarray(0, ahead.length).equals(ahead)).toBe(true);
      const behind = all.subarray(ahead.length);
      if (!isFetch) {
        expect(behind.equals(sent)).toBe(true);
        return;
      }
      expect(behind.readInt32BE(0)).toBe(8);
      expect(behind.readInt32BE(4)).toBe(own);
      const got = on.sockets.collect(payloadOf(behind));
      expect(got?.equals(sent.subarray(8))).toBe(true);
      if (got) on.sockets.giveBack(got);
    });
    await fc.assert(holds, { numRuns: 60 });
  });

  it('the end of the other side is seen in the middle of a response', async () => {
    const on = await wire(tls);
    on.client.write(request(FETCH_KEY, 1));
    await once(on.server, 'data');
    const ended = once(on.client, 'end');
    on.server.end(frame(1, body(1_000, 1)).subarray(0, 500));
    await ended;
    expect(on.seen).toEqual([]);
  });
});

it('two responses never lie in the same memory, and one that was given back is empty', async () => {
  const on = await wire(false);
  const [a, b] = [body(300_000, 1), body(300_000, 2)];
  const first = await fetched(on, 1, a);
  const view = first.subarray(100, 200);
  const second = await fetched(on, 2, b);
  expect(first.equals(a)).toBe(true);
  const memory = second.buffer.byteLength;
  on.sockets.giveBack(first);
  expect([first.length, view.length]).toEqual([0, 0]);
  const third = await fetched(on, 3, a);
  expect(third.buffer.byteLength).toBe(memory);
  expect(second.equals(b)).toBe(true);
  expect(first.length).toBe(0);
  // Twice is once: it must not be given to two.
  on.sockets.giveBack(first);
  const fourth = await fetched(on, 4, b);
  expect(third.equals(a)).toBe(true);
  expect(fourth.equals(b)).toBe(true);
});

it('a response that nobody collected does not stand for the next one', async () => {
  const on = await wire(false);
  on.client.write(request(FETCH_KEY, 1));
  await once(on.server, 'data');
  on.server.write(frame(1, body(100, 1)));
  const late = payloadOf(await on.sees(STAND_IN));
  on.client.write(request(FETCH_KEY, 2));
  await once(on.server, 'data');
  on.server.write(frame(2, body(100, 2)));
  const next = payloadOf(await on.sees(2 * STAND_IN));
  expect(on.sockets.collect(late)).toBeNull();
  expect(on.sockets.collect(next)?.equals(body(100, 2))).toBe(true);
  expect(on.sockets.collect(next)).toBeNull();
});

it('what KafkaJS got as the body itself is no stand-in', async () => {
  const on = await wire(false);
  await fetched(on, 1, body(100, 1));
  expect(on.sockets.collect(body(100, 1))).toBeNull();
});

it('a frame without a correlation id goes to KafkaJS at once', async () => {
  const on = await wire(false);
  on.server.write(Buffer.alloc(4));
  expect(await on.sees(4)).toEqual(Buffer.alloc(4));
});

it('a response that is too large ends the connection with words', async () => {
  const on = await wire(false);
  on.client.write(request(FETCH_KEY, 1));
  await once(on.server, 'data');
  const failed = once(on.client, 'error');
  const head = Buffer.alloc(8);
  head.writeInt32BE(0x7fff_ffff, 0);
  head.writeInt32BE(1, 4);
  on.server.write(head);
  expect(String((await failed)[0])).toContain('a response of 2147483643 bytes is too large');
});
