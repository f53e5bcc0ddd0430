// What the translation needs of the product, and no more: this folder knows no store (api/x-port.ts does).
// Refusals that X has an error for are values; exceptions are RepriseErrors or surprises.

import type { TenantId, WebhookId } from '../../domain/ids.ts';

/** On whose behalf; a Principal is one. */
export interface XCaller {
  readonly tenant: TenantId;
  readonly name: string;
}

export interface XJob {
  readonly id: string;
  readonly createdAtMs: number;
}

export interface XQuota {
  readonly most: number;
  readonly windowMs: number;
}

export interface XReplays {
  /** The store's clock. */
  nowMs(): Promise<number>;
  /** Makes the job if no other one of the webhook is live and its quota allows one more: decided at once. */
  request(
    caller: XCaller,
    webhookId: WebhookId,
    range: { readonly fromMs: number; readonly toMs: number },
  ): Promise<XJob | 'no_webhook' | 'webhook_invalid' | 'busy' | { readonly retryAfterMs: number }>;
}

export interface XWebhook {
  readonly id: string;
  readonly url: string;
  /** Whether it has passed its last CRC. */
  readonly isValid: boolean;
  readonly createdAtMs: number;
}

export interface XWebhooks {
  /** Throws RepriseError `invalid_url` for a URL that cannot be a target. */
  create(caller: XCaller, url: string): Promise<XWebhook & { readonly secret: string }>;
  /** Newest first, at most MOST_LISTED. */
  list(caller: XCaller): Promise<readonly XWebhook[]>;
  /** Runs the CRC now. */
  prove(caller: XCaller, id: WebhookId): Promise<'valid' | 'no_webhook' | { readonly reason: string }>;
  remove(caller: XCaller, id: WebhookId): Promise<'removed' | 'no_webhook' | 'busy'>;
}

export const MOST_LISTED = 1000;
