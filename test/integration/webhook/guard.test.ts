import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { Answer } from '../../../src/domain/sender.ts';
import type { ResolvedAddress } from '../../../src/webhook/connector.ts';
import { createGuard } from '../../../src/webhook/guard.ts';
import type { GuardOptions } from '../../../src/webhook/guard.ts';
import { Receiver } from '../../support/receiver.ts';
import { connectTo, request, sendAgainWhenStale } from './sender-fixture.ts';
import { TEST_CERT, TEST_KEY } from './tls-fixture.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function tlsReceiver(): Promise<Receiver> {
  const receiver = await Receiver.start({ tls: { key: TEST_KEY, cert: TEST_CERT } });
  closers.push(() => receiver.close());
  return receiver;
}

function answers(...addresses: string[]): readonly ResolvedAddress[] {
  return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
}

function send(url: string, allow: readonly string[], options: GuardOptions = {}): Promise<Answer> {
  return connectTo(url, allow, { connectTimeoutMs: 1_000, ...options }).send(request());
}

const BLOCKED = { kind: 'unanswered', failure: 'blocked', maybeSent: false };

describe('names', () => {
  test.each([
    ['a private address', ['10.0.0.1']],
    ['this machine', ['127.0.0.1']],
    ['metadata', ['169.254.169.254']],
    ['a mapped address', ['::ffff:127.0.0.1']],
    ['a public and a private one', ['93.184.215.14', '127.0.0.1']],
    ['a private and a public one', ['::1', '2606:2800:220:1::1']],
    ['a zone', ['fe80::1%eth0']],
    ['no address', []],
    ['text', ['localhost']],
  ])('that resolve to %s are not dialled', async (_what, addresses) => {
    const receiver = await tlsReceiver();
    const url = `https://rebind.test:${receiver.port}/`;
    expect(await send(url, [], { resolve: () => Promise.resolve(answers(...addresses)) })).toMatchObject(
      BLOCKED,
    );
    expect(receiver.connections).toBe(0);
  });

  test('are resolved once per dial, and only that answer is dialled', async () => {
    const receiver = await tlsReceiver();
    let lookups = 0;
    const resolve = (): Promise<readonly ResolvedAddress[]> => {
      lookups += 1;
      return Promise.resolve(lookups === 1 ? answers('127.0.0.2', '127.0.0.1') : answers('10.0.0.1'));
    };
    const options = { resolve, extraCa: TEST_CERT };
    const connection = connectTo(`https://receiver.test:${receiver.port}/`, ['127.0.0.0/8'], options);
    // 127.0.0.2 refuses, the other checked address answers.
    expect(await connection.send(request())).toMatchObject({ status: 200 });
    expect(lookups).toBe(1);
    expect(receiver.records[0]?.headers.host).toBe(`receiver.test:${receiver.port}`);
    // The name now points elsewhere: the next dial is judged anew.
    receiver.closeConnections();
    expect(await sendAgainWhenStale(connection)).toMatchObject({ failure: 'blocked' });
    expect(lookups).toBe(2);
    await connection.close();
  });

  test('that do not resolve: dns', async () => {
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND'), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
    });
    expect(await send('https://gone.test/', [], { resolve: () => Promise.reject(error) })).toMatchObject({
      failure: 'dns',
      maybeSent: false,
    });
  });

  test('over http are dialled only when every address is listed', async () => {
    const receiver = await Receiver.start();
    closers.push(() => receiver.close());
    const url = `http://receiver.test:${receiver.port}/`;
    const inside = { resolve: () => Promise.resolve(answers('127.0.0.1')) };
    const outside = { resolve: () => Promise.resolve(answers('93.184.215.14')) };
    expect(await send(url, ['127.0.0.0/8'], inside)).toMatchObject({ status: 200 });
    expect(await send(url, ['127.0.0.0/8'], outside)).toMatchObject(BLOCKED);
    expect(await send('https://receiver.test:25/', ['127.0.0.0/8'], outside)).toMatchObject(BLOCKED);
  });
});

describe('literals', () => {
  test.each([
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '017700000001',
    '127.1',
    '127.0.0.1.',
    'localhost',
    '0.0.0.0',
  ])('https://%s is not dialled', async (host) => {
    const receiver = await tlsReceiver();
    expect(await send(`https://${host}:${receiver.port}/`, [])).toMatchObject(BLOCKED);
    expect(receiver.connections).toBe(0);
  });

  test('are judged by the connector itself, whoever calls it', async () => {
    const receiver = await tlsReceiver();
    const { connector } = createGuard([]);
    const target = { hostname: '127.0.0.1', protocol: 'https:', port: String(receiver.port) };
    const error = await new Promise<unknown>((done) =>
      connector(target, (...[failed]) => {
        done(failed);
      }),
    );
    expect(error).toMatchObject({ code: 'REPRISE_BLOCKED' });
    expect(receiver.connections).toBe(0);
  });

  test('refusals are the same for open and closed ports', async () => {
    const receiver = await tlsReceiver();
    const open = await send(`https://127.0.0.1:${receiver.port}/`, []);
    await receiver.down();
    const closed = await send(`https://127.0.0.1:${receiver.port}/`, []);
    expect({ ...open, durationMs: 0 }).toEqual({ ...closed, durationMs: 0 });
  });
});

describe('TLS', () => {
  const resolve = (): Promise<readonly ResolvedAddress[]> => Promise.resolve(answers('127.0.0.1'));

  test('is verified: an unknown authority and a wrong name fail before anything is sent', async () => {
    const receiver = await tlsReceiver();
    const failed = { failure: 'tls', maybeSent: false };
    const port = String(receiver.port);
    expect(await send(`https://receiver.test:${port}/`, ['127.0.0.1'], { resolve })).toMatchObject(failed);
    const trusting = { resolve, extraCa: TEST_CERT };
    expect(await send(`https://other.test:${port}/`, ['127.0.0.1'], trusting)).toMatchObject(failed);
    expect(await send(`https://receiver.test:${port}/`, ['127.0.0.1'], trusting)).toMatchObject({
      status: 200,
    });
    expect(receiver.requests).toBe(1);
  });

  test('a handshake that never ends is bounded by the connect time-out and by the deadline', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined).resume());
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    const { port } = silent.address() as AddressInfo;
    const url = `https://receiver.test:${port}/`;
    const timedOut = { failure: 'timeout', maybeSent: false };
    expect(await send(url, ['127.0.0.1'], { resolve, connectTimeoutMs: 100 })).toMatchObject(timedOut);
    const connection = connectTo(url, ['127.0.0.1'], { resolve, connectTimeoutMs: 60_000 });
    expect(await connection.send(request({ deadlineMs: 100 }))).toMatchObject(timedOut);
    await connection.close();
    // Only closes when the dialled socket was destroyed: nothing is left of the attempt.
    await new Promise((done) => silent.close(done));
  });

  test('a resolver that never answers is bounded too', async () => {
    const never = { resolve: () => new Promise<never>(() => undefined) };
    const connection = connectTo('https://slow.test/', [], never);
    expect(await connection.send(request({ deadlineMs: 50 }))).toMatchObject({
      failure: 'timeout',
      maybeSent: false,
    });
    await connection.close();
  });
});
