// Kafka's error codes that a fetch or lookup can answer, in words for an operator. Only one needs a law of its
// own (an offset that is not there); all others mean "ask again, with fresh metadata": a leader moves, a replica
// catches up, a right is granted. Nothing here ends a job.

export const ERROR_CODES = { offsetOutOfRange: 1, topicAuthorizationFailed: 29 } as const;

/** A broker's answer that is an error code. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: number;

  constructor(code: number) {
    super(describeCode(code));
    this.code = code;
  }
}

const WORDS: Readonly<Record<number, string>> = {
  1: 'the offset is outside the log',
  2: 'the broker found a corrupt record batch',
  3: 'the topic or partition is unknown',
  5: 'the partition has no leader',
  6: 'the broker does not lead the partition any more',
  7: 'the broker timed out',
  8: 'the broker is not available',
  9: 'the replica is not available',
  29: 'reading the topic is not allowed',
  56: 'the broker cannot read its disk',
  74: 'the leader epoch is old',
  75: 'the leader epoch is unknown to the broker',
  78: 'the offset is not available yet on a new leader',
  100: 'the topic id is unknown',
};

export function describeCode(code: number): string {
  return `${WORDS[code] ?? 'the broker refused'} (Kafka error ${code})`;
}
