// What every sender of the delivery bench is given: the URL, how many events, over how many connections; the same
// event of 1,000 bytes under ids of its own, the same headers, the same signature. Each sender prints how many
// answers of 200 it got.
//   node SENDER.ts URL EVENTS CONNECTIONS

import { decodeSecret, sign } from '../../../../src/domain/signature.ts';

/** The bench tells the receiver the same key. */
export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=';
export const SECRET_KEY = decodeSecret(SECRET);
const EVENT_BYTES = 1_000;

const [url = '', events = '', connections = ''] = process.argv.slice(2);
export const work = { url, events: Number(events), connections: Number(connections) };

/** An order as shops send it: many short fields, and some text. */
export const EVENT = orderOf(EVENT_BYTES);
export const EVENT_TIME_MS = Date.UTC(2026, 0, 1);

function orderOf(bytes: number): Buffer {
  const lines = [1, 2, 3].map((line) => ({ line, sku: `sku-${line}-4711`, quantity: line, price: 19.99 }));
  const order = {
    type: 'order.paid',
    id: 'ord_2f6b1c9d',
    live: true,
    customer: { id: 'cus_81a2', email: 'jane@example.com', country: 'DE', vip: null },
    lines,
    total: { amount: 119.94, currency: 'EUR' },
    tags: ['web', 'summer', 'first-order'],
    note: '',
  };
  const missing = bytes - Buffer.byteLength(JSON.stringify(order));
  const text = 'Please leave the parcel with the neighbours on the ground floor. ';
  order.note = text.repeat(Math.ceil(missing / text.length)).slice(0, missing);
  return Buffer.from(JSON.stringify(order));
}

export const eventId = (n: number): string => `evt_${10 ** 15 + n}`;

/** One signed event as a program signs it that does nothing else: all the headers that Reprise sends. */
export function headersOf(n: number): Record<string, string> {
  const id = eventId(n);
  const seconds = String(Math.floor(Date.now() / 1_000));
  return {
    'content-type': 'application/json',
    'user-agent': 'bench',
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': sign([SECRET_KEY], id, seconds, EVENT),
    'reprise-job-id': '1234567890123456789',
    'reprise-fence': '1',
    'reprise-event-time': new Date(EVENT_TIME_MS).toISOString(),
    'reprise-attempt': '1',
  };
}

/** Sends all events, `connections` at a time; `post` resolves with the status. */
export async function sendAll(post: (n: number) => Promise<number>): Promise<void> {
  let next = 0;
  let accepted = 0;
  const line = async (): Promise<void> => {
    while (next < work.events) {
      const status = await post(next++);
      if (status !== 200) throw new Error(`answered with ${status}`);
      accepted++;
    }
  };
  await Promise.all(Array.from({ length: work.connections }, line));
  finish(accepted);
}

export function finish(accepted: number): void {
  process.stdout.write(`${JSON.stringify({ accepted })}\n`, () => process.exit(0));
}
