// What is allowed is asked as a request is written, not only as it is begun: see SendRequest.mayHandOver.

import { afterEach, describe, expect, test } from 'vitest';
import type { ResolvedAddress } from '../../../src/webhook/connector.ts';
import { held } from '../../support/hold.ts';
import type { PromisedConnection } from '../../support/promised-sender.ts';
import { Receiver } from '../../support/receiver.ts';
import { connectLocal, connectTo, request } from './sender-fixture.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function setUp(
  connections = 1,
): Promise<{ readonly receiver: Receiver; readonly connection: PromisedConnection }> {
  const receiver = await Receiver.start();
  closers.push(() => receiver.close());
  return { receiver, connection: connectLocal(receiver.url, connections) };
}

describe('a sender that may not send any more', () => {
  const NOTHING_SENT = { kind: 'unanswered', failure: 'aborted', maybeSent: false };

  test('as its dial ends hands nothing over', async () => {
    const receiver = await Receiver.start();
    closers.push(() => receiver.close());
    const resolved = Promise.withResolvers<readonly ResolvedAddress[]>();
    const url = `http://receiver.test:${receiver.port}/`;
    const connection = connectTo(url, ['127.0.0.0/8'], { resolve: () => resolved.promise });
    let may = true;
    const sent = connection.send(request({ mayHandOver: () => may }));
    may = false;
    resolved.resolve([{ address: '127.0.0.1', family: 4 }]);
    expect(await sent).toMatchObject(NOTHING_SENT);
    expect(receiver.requests).toBe(0);
    may = true;
    expect(await connection.send(request({ mayHandOver: () => may }))).toMatchObject({ status: 200 });
    expect(receiver.requests).toBe(1);
    await connection.close();
  });

  test('as a used socket becomes free hands nothing over, nor do those behind it', async () => {
    const { receiver, connection } = await setUp();
    const gate = held();
    receiver.set(gate.answer);
    let may = true;
    const sends = [1, 2, 3, 4].map(() => connection.send(request({ mayHandOver: () => may })));
    await receiver.waitFor(({ requests }) => requests === 1);
    may = false;
    gate.open();
    const [first, ...others] = await Promise.all(sends);
    expect(first).toMatchObject({ status: 200 });
    for (const answer of others) expect(answer).toMatchObject(NOTHING_SENT);
    expect(receiver.requests).toBe(1);
    may = true;
    expect(await connection.send(request({ mayHandOver: () => may }))).toMatchObject({ status: 200 });
    await connection.close();
  });

  test('is asked once for each request that is written', async () => {
    const { receiver, connection } = await setUp(2);
    let asked = 0;
    const mayHandOver = (): boolean => ++asked > 0;
    await Promise.all([1, 2, 3].map(() => connection.send(request({ mayHandOver }))));
    receiver.set('reset');
    await connection.send(request({ mayHandOver }));
    expect(asked).toBe(receiver.requests);
  });
});
