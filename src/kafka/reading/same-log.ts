// Whether the log under a reading is still the one that was pinned. A topic that is deleted and created again has
// the same name and offsets that look right, and a fetch cannot tell. While fetches follow each other closely one
// of them meets the gap between the two; so the proof is due after a failure and after a silence: the first batch
// of the pin is looked at again. Refuses, for good, a log that holds another one there.

import { RepriseError } from '../../domain/errors.ts';
import type { BatchMark, Pin } from '../../domain/job.ts';
import type { KafkaConnection } from '../client.ts';
import { patientMarks } from '../offsets.ts';

/** Shorter than a topic takes to be deleted, created and filled up to where the reading stands. */
export const SILENCE_MS = 200;

/** What a reader of fetches asks of whoever knows which log it must be. */
export interface Proof {
  failed(): void;
  /** To be called before a fetch is sent. */
  asking(): void;
  /** To be called when its answer is there and before it is used: what was read then is proven by what is there now. */
  answered(connection: KafkaConnection): Promise<void>;
}

/** Of one pin. */
export class SameLog implements Proof {
  readonly #pin: Pin;
  readonly #now: () => number;
  #markAt: ReturnType<typeof patientMarks>;
  #answeredMs: number;
  #isDue = false;

  /** The pin is taken as proven now. */
  constructor(pin: Pin, now: () => number = () => performance.now()) {
    this.#pin = pin;
    this.#now = now;
    this.#markAt = patientMarks(now);
    this.#answeredMs = now();
  }

  failed(): void {
    this.#isDue = true;
  }

  asking(): void {
    if (this.#now() - this.#answeredMs > SILENCE_MS) this.#isDue = true;
  }

  async answered(connection: KafkaConnection): Promise<void> {
    const { source, topic, partition, first } = this.#pin;
    if (this.#isDue && first !== null) {
      const found = await this.#markAt(connection, topic, partition, first.offset);
      if (found !== null && !isSame(first, found)) {
        throw new RepriseError(
          'log_replaced',
          `${source} holds another batch at offset ${first.offset} than when the job was pinned`,
        );
      }
      this.#markAt = patientMarks(this.#now);
    }
    this.proven();
  }

  /** Somebody else with the same mark has looked. */
  proven(): void {
    this.#isDue = false;
    this.#answeredMs = this.#now();
  }

  /** Pins of one mark are proven by one look. */
  get mark(): string {
    const { first } = this.#pin;
    return first === null ? '' : `${first.offset} ${first.crc} ${first.maxTimestampMs}`;
  }
}

/** Who reads with others, each by its own pin. */
export interface Pinned {
  readonly sameLog: SameLog;
  fail(error: Error): void;
}

/** Of all who read one partition together: whose pin is of another log leaves, the others go on. */
export class SharedProof implements Proof {
  readonly #members: ReadonlySet<Pinned>;

  constructor(members: ReadonlySet<Pinned>) {
    this.#members = members;
  }

  failed(): void {
    for (const { sameLog } of this.#members) sameLog.failed();
  }

  asking(): void {
    for (const { sameLog } of this.#members) sameLog.asking();
  }

  async answered(connection: KafkaConnection): Promise<void> {
    const looked = new Map<string, RepriseError | null>();
    for (const member of [...this.#members]) {
      const { sameLog } = member;
      const known = looked.get(sameLog.mark);
      const replaced = known === undefined ? await replacedBy(sameLog, connection) : known;
      looked.set(sameLog.mark, replaced);
      if (replaced) member.fail(replaced);
      else if (known === null) sameLog.proven();
    }
  }
}

async function replacedBy(sameLog: SameLog, connection: KafkaConnection): Promise<RepriseError | null> {
  try {
    await sameLog.answered(connection);
    return null;
  } catch (error) {
    if (error instanceof RepriseError) return error;
    throw error;
  }
}

function isSame(a: BatchMark, b: BatchMark): boolean {
  return a.offset === b.offset && a.crc === b.crc && a.maxTimestampMs === b.maxTimestampMs;
}
