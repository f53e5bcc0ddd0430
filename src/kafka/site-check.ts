// Whether a site's topics can be replayed by time at all: they exist, all have the same (and the expected)
// number of partitions, carry the producers' times, may be read, and are not compacted (the key is the webhook:
// compaction would erase the log). Says what is wrong in words; never throws, because Kafka may be away at any time.

import type { ErrorCode } from '../domain/errors.ts';
import { RepriseError, messageOf } from '../domain/errors.ts';
import type { SiteStatus } from '../domain/log.ts';
import { AccessRefused } from './access.ts';
import type { KafkaConnection } from './client.ts';
import type { Connections } from './connections.ts';
import { ERROR_CODES, describeCode } from './error-codes.ts';

export interface SiteCheck extends SiteStatus {
  /** The code of the problem when asking again will not help by itself; null otherwise. */
  readonly code: ErrorCode | null;
  /** Known once the topics are. */
  readonly partitions: number | null;
}

export async function checkSite(
  connections: Connections,
  configured: number | null,
): Promise<Omit<SiteCheck, 'sinceMs'>> {
  const { name, topics } = connections.site;
  let partitions: number | null = null;
  try {
    for (const topic of topics) {
      const expected = partitions ?? configured;
      partitions = await connections.use(topic, 'new', async (connection, count) => {
        refuseCount(topic, count, expected);
        await refuseSettings(connection, topic);
        await refuseWithoutRight(connection, topic);
        return count;
      });
    }
    return { site: name, reachable: true, problem: null, code: null, partitions };
  } catch (error) {
    const refused = error instanceof RepriseError;
    return {
      site: name,
      reachable: refused,
      problem: refused ? error.detail : messageOf(error),
      code: refused ? error.code : error instanceof AccessRefused ? 'log_unusable' : null,
      partitions: null,
    };
  }
}

/** A webhook's records are where the count says: another one than `expected` hides those of earlier or of later. */
export function refuseCount(topic: string, count: number, expected: number | null): void {
  if (expected === null || count === expected) return;
  throw new RepriseError(
    'partition_mismatch',
    `topic ${topic} has ${count} partitions, not ${expected}: a webhook's events would be looked for elsewhere`,
  );
}

async function refuseSettings(connection: KafkaConnection, topic: string): Promise<void> {
  // Without the right to see them the reader still refuses the broker's times when it meets them.
  const settings = await connection.topicSettings(topic);
  if (settings.get('message.timestamp.type') === 'LogAppendTime') {
    throw new RepriseError(
      'log_unusable',
      `topic ${topic} has message.timestamp.type=LogAppendTime; CreateTime is needed`,
    );
  }
  if (settings.get('cleanup.policy')?.includes('compact')) {
    throw new RepriseError('log_unusable', `topic ${topic} is compacted, which erases events`);
  }
}

/** Metadata and settings can be seen without it. */
async function refuseWithoutRight(connection: KafkaConnection, topic: string): Promise<void> {
  const { errorCode } = await connection.fetch({
    topic,
    partition: 0,
    offset: Number.MAX_SAFE_INTEGER, // nothing is there to be sent
    maxBytes: 1,
    maxWaitMs: 0,
    isolation: 'uncommitted',
  });
  if (errorCode !== ERROR_CODES.topicAuthorizationFailed) return;
  throw new RepriseError('log_unusable', `topic ${topic}: ${describeCode(errorCode)}`);
}
