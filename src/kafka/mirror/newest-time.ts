// The time of a partition's newest committed record: the last batch and, where that is a control batch or aborted, the
// one before. A marker's time is not taken for it: a transaction that is aborted after a quiet night would make the
// copy look a night behind.

import { EARLIEST, LATEST } from '../client.ts';
import type { KafkaConnection } from '../client.ts';
import { fetchCommitted, walkCommitted } from './committed-records.ts';
import type { Place } from './committed-records.ts';

/** More steps back are not worth it: a number for a gauge, asked for every partition all the time. */
const MAX_STEPS = 8;

/** Null when there is none, or none near the end. */
export async function newestTime(connection: KafkaConnection, place: Place): Promise<number | null> {
  const { topic, partition } = place;
  const { offset: watermark } = await connection.offsetAt(topic, partition, LATEST);
  const { offset: earliest } = await connection.offsetAt(topic, partition, EARLIEST);
  let end = watermark;
  for (let step = 0; step < MAX_STEPS && end > earliest; step++) {
    const at = end - 1;
    const response = await fetchCommitted(connection, place, at, 1); // the batch that holds it, whole
    let newestMs: number | null = null;
    const { first } = walkCommitted(response, at, ({ timestampMs }) => {
      newestMs = timestampMs;
    });
    const { lastStableOffset } = response;
    response.release();
    if (newestMs !== null) return newestMs;
    // An open transaction hides everything from its beginning on.
    end = lastStableOffset < end ? lastStableOffset : Math.min(at, first ?? at);
  }
  return null;
}
