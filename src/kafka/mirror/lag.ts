// How far a mirrored topic is behind its upstream, per partition: the time of the upstream's newest record minus that
// of the copy's. 0 when the copy has it. After a silence the first new record makes the copy look as far behind as the
// silence was long, until it is copied: an alarm needs some minutes of it.
//
// Owned here: measuring one mirror and all mirrors again and again. Refuses: rejecting because a site is away.

import { messageOf } from '../../domain/errors.ts';
import { sourceName } from '../../domain/ids.ts';
import { pause } from '../../domain/pause.ts';
import type { Emit } from '../../domain/signals.ts';
import { LATEST } from '../client.ts';
import { untilAborted } from '../retrying.ts';
import { newestTime } from './newest-time.ts';
import type { MirrorEnd } from './prove-copy.ts';

/** Partitions that are asked for at a time. */
const LANES = 4;
/** A site that is away must not be asked for each of its partitions. */
const MAX_FAILURES = LANES;

/** A mirrored topic. */
export interface MirroredTopic {
  readonly upstream: MirrorEnd;
  readonly copy: MirrorEnd;
}

/** `null`: no record to compare. */
export interface PartitionLag {
  readonly partition: number;
  readonly latencyMs: number | null;
}

/** Of one partition. The upstream is asked first: what is copied meanwhile only makes it 0. */
export async function partitionLag(
  { upstream, copy }: MirroredTopic,
  partition: number,
): Promise<number | null> {
  const there = await upstream.connections.use(upstream.topic, 'idle', async (connection) => {
    const place = { topic: upstream.topic, partition };
    const newestMs = await newestTime(connection, place);
    const oldest = await connection.offsetAt(upstream.topic, partition, 0);
    return { newestMs, oldestMs: oldest.offset === -1 ? null : oldest.timestampMs };
  });
  if (there.newestMs === null) return null;
  const here = await copy.connections.use(copy.topic, 'idle', async (connection) => {
    const newestMs = await newestTime(connection, { topic: copy.topic, partition });
    const { offset: watermark } = await connection.offsetAt(copy.topic, partition, LATEST);
    return { newestMs, wasEmpty: watermark === 0 };
  });
  // Nothing was ever copied: it lacks the upstream's oldest too.
  const copiedMs = here.newestMs ?? (here.wasEmpty ? there.oldestMs : null);
  return copiedMs === null ? null : Math.max(0, there.newestMs - copiedMs);
}

/** Of all partitions of the upstream, told to `each` as they are known. Rejects when too many cannot be asked. */
export async function mirrorLag(
  mirror: MirroredTopic,
  each: (lag: PartitionLag) => void,
  signal: AbortSignal,
): Promise<void> {
  const { connections, topic } = mirror.upstream;
  const partitions = await connections.use(topic, 'idle', (_, count) => Promise.resolve(count));
  const failures: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < partitions && failures.length < MAX_FAILURES && !signal.aborted) {
      const partition = next++;
      try {
        each({ partition, latencyMs: await partitionLag(mirror, partition) });
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, partitions) }, lane));
  if (failures.length > 0) throw failures[0];
}

export interface MirrorsWatch {
  readonly mirrors: readonly MirroredTopic[];
  /** From the end of one round to the beginning of the next. */
  readonly intervalMs: number;
}

/** Measures until the signal aborts; never rejects. */
export async function watchMirrors(
  { mirrors, intervalMs }: MirrorsWatch,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  const failed = mirrors.map(() => 0);
  while (!signal.aborted) {
    for (const [index, mirror] of mirrors.entries()) {
      const source = sourceName(mirror.copy.site, mirror.copy.topic);
      const upstream = sourceName(mirror.upstream.site, mirror.upstream.topic);
      const tell = ({ partition, latencyMs }: PartitionLag): void => {
        if (latencyMs !== null) emit('mirror.lag', { source, upstream, partition, latencyMs });
      };
      try {
        await untilAborted(mirrorLag(mirror, tell, signal), signal);
        failed[index] = 0;
      } catch (error) {
        if (signal.aborted) return;
        const attempt = (failed[index] = (failed[index] ?? 0) + 1);
        emit('read.retry', { source, error: `lag of the mirror: ${messageOf(error)}`, attempt });
      }
    }
    await pause(intervalMs, signal);
  }
}
