// Which partition a webhook's events are in: Kafka's own default partitioner, so that any Java, librdkafka
// (murmur2_random) or KafkaJS producer that leaves partitioning alone puts a key where this looks for it.
// Refuses to guess: the number of partitions comes from the topic and is checked against the configuration.

const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/** murmur2 of `bytes` as Kafka's `Utils.murmur2` computes it (a signed 32-bit number). */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  const at = (index: number): number => bytes[index] ?? 0;
  let h = SEED ^ length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24);
    k = Math.imul(k, M);
    k ^= k >>> R;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length - whole;
  if (rest >= 3) h ^= at(whole + 2) << 16;
  if (rest >= 2) h ^= at(whole + 1) << 8;
  if (rest >= 1) h = Math.imul(h ^ at(whole), M);
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}

/** Of the record key `key` (UTF-8): the partition is its remainder by their number. */
export const keyHash = (key: string): number => murmur2(Buffer.from(key, 'utf8')) & 0x7fffffff;

/** The partition of the record key `key` (UTF-8) in a topic of `partitions` partitions. */
export function partitionOf(key: string, partitions: number): number {
  return keyHash(key) % partitions;
}
