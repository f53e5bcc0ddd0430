// Routes of webhooks: register, list, look at, change, remove.
// Owned here: what a schema cannot check (bytes of a key, who may choose one, the target). Refused: deciding
// whether a key is free or jobs are live; the store does, in its transaction.

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { RepriseError } from '../domain/errors.ts';
import { asWebhookId, isId, type WebhookId } from '../domain/ids.ts';
import { DEFAULT_CONTENT_TYPE } from '../domain/fixed-headers.ts';
import { SINGLE } from '../domain/message.ts';
import { newSecret } from '../domain/signature.ts';
import type { ProofMode } from '../domain/proof.ts';
import type { ReplayStore, WebhookPatch, WebhookView } from '../domain/replay-store.ts';
import { principalOf } from './access.ts';
import { pageOf, webhook, webhookWithSecret } from './answers.ts';
import { pageAnswer, pageRequest } from './cursor.ts';
import { headersOf } from './request-profile.ts';
import { idParams, pageQuery, webhookChange, webhookDraft } from './requests.ts';
import { showWebhook } from './views.ts';

export interface WebhookRoutes {
  readonly store: ReplayStore;
  /** Why this URL cannot be a target; null when it can. */
  readonly checkUrl: (url: string) => string | null;
  /** The deployment's most events/s per webhook. */
  readonly maxRate: number;
  readonly proof: { readonly mode: ProofMode };
}

const LIST = 'webhooks';
const MAX_KEY_BYTES = 255;
const TAGS = { tags: ['webhooks'] };

export function webhookRoutes({ store, checkUrl, maxRate, proof }: WebhookRoutes): FastifyPluginAsyncTypebox {
  const show = (webhook: WebhookView) => showWebhook(webhook, proof.mode);
  return async (app) => {
    const create = {
      ...TAGS,
      operationId: 'registerWebhook',
      summary: 'Register a webhook',
      body: webhookDraft(maxRate),
    };
    app.post('', { schema: { ...create, response: { 201: webhookWithSecret } } }, async (request, reply) => {
      const { url, key = null, description = '', maxRate = null, concurrency = null } = request.body;
      const { contentType = DEFAULT_CONTENT_TYPE, headers = {}, notifications = [] } = request.body;
      if (key !== null) checkKey(key, principalOf(request).admin);
      refuseTarget(url, checkUrl);
      const delivery = { ...SINGLE, ...request.body.delivery };
      const { profile = 'standard' } = request.body;
      const sent = { delivery, contentType, headers: headersOf(headers), notifications, profile };
      const draft = { url, key, description, maxRate, concurrency, ...sent, secret: newSecret() };
      const made = await store.createWebhook(principalOf(request).tenant, draft);
      if (made === 'key_taken') throw keyTaken();
      return reply
        .code(201)
        .header('location', `/v1/webhooks/${made.id}`)
        .send({ ...show(made), secret: draft.secret });
    });

    const list = { ...TAGS, operationId: 'listWebhooks', summary: 'List webhooks', querystring: pageQuery };
    app.get('', { schema: { ...list, response: { 200: pageOf(webhook) } } }, async (request) => {
      const page = await store.webhooks(principalOf(request).tenant, pageRequest(LIST, request.query));
      return pageAnswer(LIST, page, show);
    });

    const look = { ...TAGS, operationId: 'getWebhook', summary: 'Look at a webhook', params: idParams };
    app.get('/:id', { schema: { ...look, response: { 200: webhook } } }, async (request) => {
      const found = await store.webhook(principalOf(request).tenant, webhookIdOf(request));
      return show(found ?? noWebhook());
    });

    const change = {
      ...TAGS,
      operationId: 'changeWebhook',
      summary: 'Change a webhook; holds from the next attempt',
      params: idParams,
    };
    const body = webhookChange(maxRate);
    app.patch(
      '/:id',
      { schema: { ...change, body, response: { 200: webhookWithSecret } } },
      async (request) => {
        const patch = patchOf(request.body, checkUrl);
        const changed = await store.patchWebhook(principalOf(request).tenant, webhookIdOf(request), patch);
        const shown = show(changed ?? noWebhook());
        return patch.secret === undefined ? shown : { ...shown, secret: patch.secret };
      },
    );

    const remove = {
      ...TAGS,
      operationId: 'removeWebhook',
      summary: 'Remove a webhook without live replays',
      params: idParams,
    };
    app.delete('/:id', { schema: remove }, async (request, reply) => {
      const removed = await store.deleteWebhook(principalOf(request).tenant, webhookIdOf(request));
      if (removed === 'absent') noWebhook();
      if (removed === 'has_live_jobs') throw hasLiveJobs();
      return reply.code(204).send();
    });
    return Promise.resolve();
  };
}

/** The id in the path; one that cannot exist is an unknown one. */
export function webhookIdOf(request: FastifyRequest<{ Params: { id: string } }>): WebhookId {
  return isId(request.params.id) ? asWebhookId(request.params.id) : noWebhook();
}

export function noWebhook(): never {
  throw new RepriseError('not_found', 'No webhook has this id; GET /v1/webhooks lists yours.');
}

function keyTaken(): RepriseError {
  return new RepriseError(
    'key_taken',
    'Another webhook has this key; change that one, or choose another key.',
    {
      faults: [{ pointer: '/key', detail: 'belongs to another webhook' }],
    },
  );
}

function hasLiveJobs(): RepriseError {
  return new RepriseError(
    'has_live_jobs',
    'Replays of this webhook have not ended; wait for their end or cancel them, then remove it.',
  );
}

function checkKey(key: string, admin: boolean): void {
  if (!admin) {
    throw new RepriseError('forbidden', 'Only an admin key may choose a record key; leave `key` out.');
  }
  // A lone surrogate has no UTF-8 form: its bytes would be those of another key.
  const fits = key.isWellFormed() && Buffer.byteLength(key) <= MAX_KEY_BYTES;
  if (fits) return;
  const detail = `does not fit; allowed: 1 to ${MAX_KEY_BYTES} bytes of UTF-8`;
  throw new RepriseError('invalid_request', `The key ${detail}.`, { faults: [{ pointer: '/key', detail }] });
}

function refuseTarget(url: string, checkUrl: WebhookRoutes['checkUrl']): void {
  const detail = checkUrl(url);
  if (detail === null) return;
  throw new RepriseError('invalid_url', detail, { faults: [{ pointer: '/url', detail }] });
}

type Change = Static<ReturnType<typeof webhookChange>>;

function patchOf(
  { rotateSecret, delivery, headers, ...fields }: Change,
  checkUrl: WebhookRoutes['checkUrl'],
): WebhookPatch {
  if (fields.url !== undefined) refuseTarget(fields.url, checkUrl);
  return {
    ...fields,
    ...(headers && { headers: headersOf(headers) }),
    ...(delivery && { delivery: { ...SINGLE, ...delivery } }),
    ...(rotateSecret && { secret: newSecret() }),
  };
}
