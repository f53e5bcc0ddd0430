// Which jobs an instance would rather claim: those on partitions that it reads already, so that they share a
// reading. Owned here: that nobody starves for it. At most IN_A_ROW claims of an instance ask for a preference
// before one takes the oldest job, so with n older ones before it a job is the (IN_A_ROW + 1)(n + 1)th at the latest.

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
    const read = new Set([...now, ...keys.map((key) => partitionOf(key, partitions))]);
    const isAny = read.size === 0 || read.size >= partitions;
    if (isAny || this.#inARow === IN_A_ROW) {
      this.#inARow = 0;
      return {};
    }
    this.#inARow++;
    return { gather: { partitions, now: [...read].toSorted((a, b) => a - b) } };
  }
}
