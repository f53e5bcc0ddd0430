// The limit of any reader on this connection: Reprise's own fetches, one after the other, of which only the heads
// of the batches are read, to know where to go on.
//   node fetch-only.ts BROKERS TOPIC KEY END

import { offsetAfter } from '../../../src/kafka/batch-header.ts';
import { KafkaConnection } from '../../../src/kafka/client.ts';

const FETCH = { partition: 0, maxBytes: 1024 * 1024, maxWaitMs: 100, isolation: 'committed' } as const;

const [brokers = '', topic = '', , end = ''] = process.argv.slice(2);
const connection = new KafkaConnection({ name: 'bench', brokers: brokers.split(','), topics: [topic] });
await connection.open(topic);
let offset = 0;
while (offset < Number(end)) {
  const response = await connection.fetch({ ...FETCH, topic, offset });
  const { errorCode, records } = response;
  if (errorCode !== 0) throw new Error(`the broker answered with error ${errorCode}`);
  offset = offsetAfter(records, offset);
  response.release();
}
process.stdout.write(`${JSON.stringify({ records: offset })}\n`, () => process.exit(0));
