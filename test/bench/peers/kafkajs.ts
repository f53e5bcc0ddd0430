// KafkaJS' consumer with the snappy codec that its manual names, as its users write it: whole batches, filtered by
// the key.
//   node kafkajs.ts BROKERS TOPIC KEY END

import { randomUUID } from 'node:crypto';
import kafkajs from 'kafkajs';
import SnappyCodec from 'kafkajs-snappy';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec;

const [brokers = '', topic = '', key = '', end = ''] = process.argv.slice(2);
const wantedKey = Buffer.from(key);
const last = Number(end) - 1;
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId: `bench-${randomUUID()}`, allowAutoTopicCreation: false });
let records = 0;
let wanted = 0;
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  autoCommit: false,
  eachBatch: ({ batch }) => {
    for (const message of batch.messages) {
      records++;
      if (message.key !== null && wantedKey.equals(message.key)) wanted++;
    }
    if (Number(batch.lastOffset()) >= last) {
      // Not disconnect(): it would wait for a fetch that the broker holds back.
      process.stdout.write(`${JSON.stringify({ records, wanted })}\n`, () => process.exit(0));
    }
    return Promise.resolve();
  },
});
