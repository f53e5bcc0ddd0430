// How webhooks prove themselves, for clients: a check on demand (POST .../challenges), and the refusal of replays to a
// webhook that is known to be invalid. Owned here: words for clients. Refused:
// deciding what a result means (domain/proof) and making the check (the composition root gives it).

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { RepriseError } from '../domain/errors.ts';
import type { TenantId, WebhookId } from '../domain/ids.ts';
import { demandsProof, explainReason } from '../domain/proof.ts';
import type { ProofMode, Validity, WebhookProfile } from '../domain/proof.ts';
import type { ReplayStore } from '../domain/replay-store.ts';
import { principalOf } from './access.ts';
import { maybeText, text } from './fields.ts';
import { fails, OPTIONAL_BODY } from './operation.ts';
import { idParams } from './requests.ts';
import { allowBarePost } from './validation.ts';
import { CHECK_REASON, showValidity, validity } from './validity.ts';
import { noWebhook, webhookIdOf } from './webhooks.ts';

export interface ProofAtApi {
  readonly mode: ProofMode;
  /** One check now; null = there is no such webhook of this tenant; `busy`: another one is still under way. */
  readonly check: (tenant: TenantId, id: WebhookId) => Promise<CheckResult | 'busy' | null>;
}

export interface CheckResult {
  readonly profile: WebhookProfile;
  /** Why it failed; null = it passed. */
  readonly reason: string | null;
  readonly validity: Validity;
}

const challengeAnswer = Type.Object(
  {
    passed: Type.Boolean({ description: 'whether this check passed' }),
    reason: maybeText(CHECK_REASON),
    explanation: text('the same in a sentence'),
    validity,
  },
  { title: 'ChallengeResult', description: 'what one check of a webhook found' },
);

const nothingToSay = Type.Object(
  {},
  { additionalProperties: false, title: 'ChallengeRequest', description: 'nothing to say; may be left out' },
);

/** Throws when the webhook has to be valid and is known to be invalid; one that is absent is not its business. */
export async function refuseInvalid(
  store: Pick<ReplayStore, 'webhook'>,
  mode: ProofMode,
  tenant: TenantId,
  id: WebhookId,
): Promise<void> {
  if (mode === 'off') return;
  const webhook = await store.webhook(tenant, id);
  if (webhook?.validity.state !== 'invalid' || !demandsProof(mode, webhook.profile)) return;
  const reason = webhook.validity.checks[0]?.reason ?? null;
  const why = reason === null ? '' : ` (${reason}: ${explainReason(reason, webhook.profile)})`;
  throw new RepriseError(
    'webhook_invalid',
    `The webhook failed its checks${why}. Mend the receiver, then POST /v1/webhooks/${id}/challenges.`,
  );
}

export function challengeRoute({ mode, check }: ProofAtApi): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.addHook('preValidation', allowBarePost);
    const schema = {
      tags: ['webhooks'],
      operationId: 'challengeWebhook',
      summary: 'Check now whether a webhook knows its secret',
      params: idParams,
      body: nothingToSay,
      ...OPTIONAL_BODY,
      ...fails('check_under_way'),
      response: { 200: challengeAnswer },
    };
    app.post('/:id/challenges', { schema }, async (request) => {
      const result = await check(principalOf(request).tenant, webhookIdOf(request));
      if (result === null) return noWebhook();
      if (result === 'busy') {
        throw new RepriseError('check_under_way', 'Another check of the webhook has not ended; ask again.');
      }
      const { profile, reason } = result;
      return {
        passed: reason === null,
        reason,
        explanation: reason === null ? 'it knows its secret' : explainReason(reason, profile),
        validity: showValidity(result.validity, demandsProof(mode, profile)),
      };
    });
    return Promise.resolve();
  };
}
