// The producer's ledger: what was written for whom. The only source of truth about what had to be delivered.

/** One event of a webhook: to be delivered by every replay whose range holds its time. */
export interface LedgerEvent {
  /** As the receiver sees it in `webhook-id`. */
  readonly id: string;
  readonly atMs: number;
  /** Hex, of the exact body. */
  readonly sha256: string;
  /** Records of it in the log: copies must not be delivered again. */
  readonly copies: number;
  /** ms since 1970 when the producer knew that all of it is in the log; null = it never did, so it may be there. */
  ackedMs: number | null;
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
