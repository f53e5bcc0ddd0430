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
import { pageOf } from './answers.ts';
import { webhook, webhookWithSecret } from './webhook-answers.ts';
import { ifMatchHeader, ifNoneMatchHeader, isUnchanged, NO_BODY, notModified } from './conditional.ts';
import { etagOf, preconditionFailed, wantedVersions } from './conditional.ts';
import { linked, pageAnswer, pageRequest } from './cursor.ts';
import { idempotency } from './idempotency.ts';
import { fails, IDEMPOTENCY_FAILS, NOTHING, sends } from './operation.ts';
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
  readonly idempotencyKeepMs: number;
}

const LIST = 'webhooks';
const MAX_KEY_BYTES = 255;
const TAGS = { tags: ['webhooks'] };

export function webhookRoutes(options: WebhookRoutes): FastifyPluginAsyncTypebox {
  return async (app) => {
    addRegistration(app, options);
    addReads(app, options);
    addChanges(app, options);
    return Promise.resolve();
  };
}

type App = Parameters<FastifyPluginAsyncTypebox>[0];

function addRegistration(app: App, options: WebhookRoutes): void {
  const { store, checkUrl, maxRate, proof } = options;
  const show = (webhook: WebhookView) => showWebhook(webhook, proof.mode);
  // Without its secret: a repeat is not told it, for it would have to be kept in clear.
  const created = { status: 201, location: ({ id }: WebhookView) => `/v1/webhooks/${id}`, show };
  const { headers: keyHeader, preHandler, once } = idempotency(options);
  const schema = {
    ...TAGS,
    operationId: 'registerWebhook',
    summary: 'Register a webhook',
    description:
      'The secret is told in this answer alone. A repeat with the same Idempotency-Key is answered without it: who ' +
      'lost the first answer has a new one made with PATCH {"rotateSecret": true}.',
    headers: keyHeader,
    body: webhookDraft(maxRate),
    response: { 201: webhookWithSecret },
    ...fails('forbidden', 'invalid_url', 'key_taken', ...IDEMPOTENCY_FAILS),
    ...sends('location', 'idempotency-replayed'),
  };
  app.post('', { preHandler, schema }, async (request, reply) => {
    const { url, key = null, description = '', maxRate: ownRate = null, concurrency = null } = request.body;
    const { contentType = DEFAULT_CONTENT_TYPE, headers = {}, notifications = [] } = request.body;
    if (key !== null) checkKey(key, principalOf(request).admin);
    refuseTarget(url, checkUrl);
    const delivery = { ...SINGLE, ...request.body.delivery };
    const { profile = 'standard' } = request.body;
    const sent = { delivery, contentType, headers: headersOf(headers), notifications, profile };
    const draft = { url, key, description, maxRate: ownRate, concurrency, ...sent, secret: newSecret() };
    const { tenant } = principalOf(request);
    const made = await store.createWebhook(tenant, draft, once(request, reply, created));
    if (made === 'key_taken') throw keyTaken();
    return reply
      .code(201)
      .header('location', created.location(made))
      .send({ ...show(made), secret: draft.secret });
  });
}

function addReads(app: App, { store, proof }: WebhookRoutes): void {
  const show = (webhook: WebhookView) => showWebhook(webhook, proof.mode);
  const list = { ...TAGS, operationId: 'listWebhooks', summary: 'List webhooks', querystring: pageQuery };
  const listed = { response: { 200: pageOf(webhook) }, ...sends('link') };
  app.get('', { schema: { ...list, ...listed } }, async (request, reply) => {
    const page = await store.webhooks(principalOf(request).tenant, pageRequest(LIST, request.query));
    return linked(request, reply, pageAnswer(LIST, page, show));
  });

  const look = { ...TAGS, operationId: 'getWebhook', summary: 'Look at a webhook', params: idParams };
  const shown = {
    headers: ifNoneMatchHeader,
    response: { 200: webhook, 304: notModified },
    ...sends('etag'),
  };
  app.get('/:id', { schema: { ...look, ...shown } }, async (request, reply) => {
    const found = await store.webhook(principalOf(request).tenant, webhookIdOf(request));
    const answer = show(found ?? noWebhook());
    return isUnchanged(request, reply, answer) ? reply.send(NO_BODY) : answer;
  });
}

function addChanges(app: App, { store, checkUrl, maxRate, proof }: WebhookRoutes): void {
  const change = {
    ...TAGS,
    operationId: 'changeWebhook',
    summary: 'Change a webhook; holds from the next attempt',
    params: idParams,
    headers: ifMatchHeader,
    body: webhookChange(maxRate),
    response: { 200: webhookWithSecret },
    ...fails('invalid_url', 'precondition_failed'),
    ...sends('etag'),
  };
  app.patch('/:id', { schema: change }, async (request, reply) => {
    const patch = patchOf(request.body, checkUrl);
    const { tenant } = principalOf(request);
    const id = webhookIdOf(request);
    const changed = await store.patchWebhook(tenant, id, patch, wantedVersions(request));
    if (changed === 'stale') throw preconditionFailed();
    const shown = showWebhook(changed ?? noWebhook(), proof.mode);
    reply.header('etag', etagOf(shown));
    return patch.secret === undefined ? shown : { ...shown, secret: patch.secret };
  });

  const remove = {
    ...TAGS,
    operationId: 'removeWebhook',
    summary: 'Remove a webhook without live replays',
    params: idParams,
    ...fails('has_live_jobs'),
    response: { 204: NOTHING },
  };
  app.delete('/:id', { schema: remove }, async (request, reply) => {
    const removed = await store.deleteWebhook(principalOf(request).tenant, webhookIdOf(request));
    if (removed === 'absent') noWebhook();
    if (removed === 'has_live_jobs') throw hasLiveJobs();
    return reply.code(204).send();
  });
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
