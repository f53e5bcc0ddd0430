// A replay as a good developer writes it in an hour: KafkaJS' consumer, whole batches, 64 requests in flight through
// undici's Pool, and an offset is committed only when all before it was answered. It ends with whoever started it.
//   node replay-concurrent.ts BROKERS TOPIC KEY URL

import { randomUUID } from 'node:crypto';
import kafkajs from 'kafkajs';
import type { KafkaMessage } from 'kafkajs';
import SnappyCodec from 'kafkajs-snappy';
import { Pool } from 'undici';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec;
const IN_FLIGHT = 64;

const [brokers = '', topic = '', key = '', url = ''] = process.argv.slice(2);
const wantedKey = Buffer.from(key);
const { origin, pathname: path } = new URL(url);
const pool = new Pool(origin, { connections: IN_FLIGHT });
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId: `bench-${randomUUID()}`, allowAutoTopicCreation: false });

async function post({ offset, value }: KafkaMessage): Promise<void> {
  const headers = { 'content-type': 'application/json', 'webhook-id': offset };
  const { statusCode, body } = await pool.request({ path, method: 'POST', headers, body: value });
  await body.dump();
  if (statusCode !== 200) throw new Error(`the receiver answered ${statusCode}`);
}

await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  eachBatch: async ({ batch }) => {
    const wanted = batch.messages
      .filter((message) => message.key !== null && wantedKey.equals(message.key))
      .values();
    const sendOneByOne = async (): Promise<void> => {
      for (const message of wanted) await post(message);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, sendOneByOne));
  },
});
