// X's port over the store: what the translation in api/x asks for, in the words of this product.
// Owned here: that X's calls make one job per webhook at a time, within the quota, and which webhooks are X's.

import type { CompletionType } from '../domain/completion.ts';
import { RepriseError } from '../domain/errors.ts';
import type { IdentityMode } from '../domain/job.ts';
import { SINGLE } from '../domain/message.ts';
import { demandsProof, explainReason } from '../domain/proof.ts';
import type { ReplayStore, WebhookView } from '../domain/replay-store.ts';
import { newSecret } from '../domain/signature.ts';
import type { Emit } from '../domain/signals.ts';
import type { ProofAtApi } from './proof.ts';
import { formatInstant } from './range.ts';
import { specOf } from './replays.ts';
import { MOST_LISTED, type XQuota, type XReplays, type XWebhook, type XWebhooks } from './x/port.ts';

export interface XPort {
  readonly store: ReplayStore;
  readonly checkUrl: (url: string) => string | null;
  readonly emit: Emit;
  readonly onReplayRequested: () => void;
  readonly identity: IdentityMode;
  readonly proof: ProofAtApi;
}

/** Whether X's management routes show it. */
const isOfX = ({ profile }: WebhookView): boolean => profile === 'x';
/** What a webhook of X can be told of its replays; X has no word for a pause. */
const ENDS: readonly CompletionType[] = ['replay.completed', 'replay.failed', 'replay.cancelled'];

const PAGE = 100;

export function xReplays(options: XPort, quota: XQuota): XReplays {
  const { store, emit, onReplayRequested, identity, proof } = options;
  return {
    nowMs: () => store.nowMs(),
    async request({ tenant, name }, webhookId, { fromMs, toMs }) {
      const webhook = await store.webhook(tenant, webhookId);
      if (!webhook) return 'no_webhook';
      const { profile, validity } = webhook;
      if (validity.state === 'invalid' && demandsProof(proof.mode, profile)) return 'webhook_invalid';
      const draft = { from: formatInstant(fromMs), to: formatInstant(toMs) };
      const spec = { ...specOf(draft, identity), fromMs, toMs };
      const conditions = { onlyWhenIdle: true, quota };
      const job = await store.requestReplayIf(tenant, webhookId, spec, name, conditions);
      if (typeof job === 'string' || 'refused' in job) return job;
      emit('job.requested', { jobId: job.id, webhookId });
      onReplayRequested();
      return { id: job.id, createdAtMs: job.createdAtMs };
    },
  };
}

export function xWebhooks({ store, checkUrl, proof }: XPort): XWebhooks {
  return {
    async create({ tenant }, url) {
      const fault = checkUrl(url);
      if (fault !== null) throw new RepriseError('invalid_url', fault);
      const secret = newSecret();
      const draft = {
        url,
        key: null,
        description: '',
        maxRate: null,
        concurrency: null,
        delivery: SINGLE,
        notifications: ENDS,
        profile: 'x' as const,
        secret,
      };
      const made = await store.createWebhook(tenant, draft);
      if (made === 'key_taken') throw new Error('no fresh id is free as a key');
      return { ...shown(made), secret };
    },
    async list({ tenant }) {
      const found: WebhookView[] = [];
      let cursor: string | null = null;
      do {
        const page = await store.webhooks(tenant, { limit: PAGE, cursor });
        found.push(...page.items.filter(isOfX));
        cursor = page.nextCursor;
      } while (cursor !== null && found.length < MOST_LISTED);
      return found.slice(0, MOST_LISTED).map(shown);
    },
    async prove(caller, id) {
      const webhook = await store.webhook(caller.tenant, id);
      if (!webhook || !isOfX(webhook)) return 'no_webhook';
      const result = await proof.check(caller.tenant, id);
      if (result === null) return 'no_webhook';
      // Another check is under way: X's clients know this as a reason to come again.
      if (result === 'busy') throw new RepriseError('database_unavailable', 'Another check is under way.');
      return result.reason === null ? 'valid' : { reason: explainReason(result.reason, result.profile) };
    },
    async remove({ tenant }, id) {
      const webhook = await store.webhook(tenant, id);
      if (!webhook || !isOfX(webhook)) return 'no_webhook';
      const removed = await store.deleteWebhook(tenant, id);
      if (removed === 'absent') return 'no_webhook';
      return removed === 'has_live_jobs' ? 'busy' : 'removed';
    },
  };
}

function shown(webhook: WebhookView): XWebhook {
  const { id, url, createdAtMs } = webhook;
  return { id, url, isValid: webhook.validity.state === 'valid', createdAtMs };
}
