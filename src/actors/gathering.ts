// Which jobs an instance would rather claim: those on partitions that it reads already, so that they share a
// reading; first those on partitions whose jobs wait to be read, the most of them first. Owned here: that nobody starves
// for it. At most IN_A_ROW claims of an instance ask for a preference before one takes the oldest job, so with n older
// ones before it a job is the (IN_A_ROW + 1)(n + 1)th at the latest. A replay group counts as one in this: when its turn
// has come by age, it is the group's, and any job of it will do.

import type { ReadingNow } from '../domain/log.ts';
import { partitionOf } from '../domain/partitioner.ts';
import type { ClaimRequest } from '../domain/store.ts';

/** One of eight claims by age alone: what is gained by sharing readings is not worth a longer wait. */
export const IN_A_ROW = 7;

export class Gathering {
  #inARow = 0;

  /** `keys`: of jobs that are claimed and not read yet; they will be, on their partitions. */
  preference({ partitions, now }: ReadingNow, keys: readonly string[]): Pick<ClaimRequest, 'gather'> {
    if (partitions === null) return {};
    const awaited = new Map<number, number>();
    for (const key of keys) {
      const partition = partitionOf(key, partitions);
      awaited.set(partition, (awaited.get(partition) ?? 0) + 1);
    }
    const inOrder = [...awaited.keys()].toSorted((a, b) => (awaited.get(b) ?? 0) - (awaited.get(a) ?? 0));
    const read = [...new Set([...inOrder, ...[...now].toSorted((a, b) => a - b)])];
    const isAny = read.length === 0 || read.length >= partitions;
    if (isAny || this.#inARow === IN_A_ROW) {
      this.#inARow = 0;
      return read.length === 0 ? {} : { gather: { partitions, now: read, isByAge: true } };
    }
    this.#inARow++;
    return { gather: { partitions, now: read } };
  }
}
