// The bad receiver of the neighbours' bench, in a process of its own: misbehaves in the way that it is told, and
// tells how many requests and connections came. Told another way it drops what the last one left hanging.
// Ends with the process that forked it.

import { setPriority } from 'node:os';
import { TEST_CERT, TEST_KEY } from '../integration/webhook/tls-fixture.ts';
import { Receiver } from '../support/receiver.ts';
import type { ReceiverOptions } from '../support/receiver.ts';

/** How to answer from now on. */
export type Behaviour = Extract<NonNullable<ReceiverOptions['answer']>, string | { status: number }>;

export interface Badness {
  readonly url: string;
  /** With a certificate that nobody trusts. */
  readonly tlsUrl: string;
  /** Since the last question. */
  readonly requests: number;
  readonly connections: number;
}

// Receivers have machines of their own: what this one spends on being bad must not be missing on ours.
setPriority(10);
const few = { storeBodies: false, trackIds: false, keep: 10 };
const plain = await Receiver.start(few);
const secure = await Receiver.start({ ...few, tls: { key: TEST_KEY, cert: TEST_CERT } });
const both = [plain, secure];
let told = { requests: 0, connections: 0 };

function badness(): Badness {
  const requests = plain.requests + secure.requests;
  const connections = plain.connections + secure.connections;
  const since = { requests: requests - told.requests, connections: connections - told.connections };
  told = { requests, connections };
  return { url: plain.url, tlsUrl: secure.url, ...since };
}

process.on('message', (behaviour: Behaviour) => {
  for (const receiver of both) {
    receiver.set(behaviour);
    receiver.closeConnections();
  }
  process.send?.(badness());
});
process.on('disconnect', () => process.exit(0));
process.send?.(badness());
