// The producer's ledger: what was written for whom. The only source of truth about what had to be delivered.

/** One record of an event, where and when it was produced; MirrorMaker's copies are not in the ledger. */
export interface LedgerRecord {
  /** Index of the topic, or of the site, that it was produced to. */
  readonly place: number;
  /** Each site stamps its own, so copies may differ by some ms. */
  readonly atMs: number;
  /** ms since 1970 when the producer knew that it is in the log; null = it never did, so it may be there. */
  ackedMs: number | null;
}

/** One event of a webhook: to be delivered by every replay whose range holds the time of one of its records. */
export interface LedgerEvent {
  /** As the receiver sees it in `webhook-id`. */
  readonly id: string;
  /** The earliest of its records. */
  readonly atMs: number;
  /** Hex, of the exact body. */
  readonly sha256: string;
  /** Several: copies must not be delivered again. */
  readonly records: readonly LedgerRecord[];
}

export interface LedgerWebhook {
  readonly id: string;
  readonly key: string;
  /** Most requests in flight. */
  readonly concurrency: number;
  /** By time. */
  readonly events: LedgerEvent[];
}

export interface Ledger {
  readonly fromMs: number;
  readonly toMs: number;
  /** How long after the end of a range its replay waits for what is still coming. */
  readonly settleMs: number;
  readonly webhooks: readonly LedgerWebhook[];
}
