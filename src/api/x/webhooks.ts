// The management of webhooks as v1.1 has it: register, list, prove (the CRC), remove.
// X's consumer secret belongs to the application that its developer portal knows; here each webhook has its own, so
// the answer to its registration carries it, once, as an additional member (docs/adr/0013-x.md).

import type { FastifyInstance } from 'fastify';
import { principalOf } from '../access.ts';
import { parameterOf } from './bodies.ts';
import { formatSeconds } from './dates.ts';
import { X_ERRORS } from './errors.ts';
import { readWebhookId } from './parameters.ts';
import { MOST_LISTED, type XWebhook, type XWebhooks } from './port.ts';
import { answers, newWebhook, TAGS, urlQuery, webhookList, webhookParams } from './schemas.ts';

const MAX_URL = 2048;
const PATH = '/account_activity/webhooks';

/** Under /1.1. */
export function webhookRoutesOf11(scope: FastifyInstance, webhooks: XWebhooks): void {
  const create = {
    ...TAGS,
    operationId: 'registerWebhookOfX11',
    summary: 'Register a webhook of profile x',
    querystring: urlQuery,
    response: answers('1.1', 200, newWebhook, ['target']),
  };
  scope.post(`${PATH}.json`, { schema: create }, async (request) => {
    const url = parameterOf(request.query, request.body, 'url');
    if (url === undefined) throw X_ERRORS.missing('url');
    if (typeof url !== 'string') throw X_ERRORS.unparsable();
    if (url.length > MAX_URL) throw X_ERRORS.badTarget(`At most ${MAX_URL} characters.`);
    const made = await webhooks.create(principalOf(request), url);
    return { ...show(made), secret: made.secret };
  });

  const list = {
    ...TAGS,
    operationId: 'listWebhooksOfX11',
    summary: `List webhooks of profile x, newest first, ${MOST_LISTED} at most`,
    response: answers('1.1', 200, webhookList, []),
  };
  scope.get(`${PATH}.json`, { schema: list }, async (request) => {
    return (await webhooks.list(principalOf(request))).map(show);
  });

  const prove = {
    ...TAGS,
    operationId: 'proveWebhookOfX11',
    summary: 'Run the CRC of a webhook now',
    params: webhookParams,
    response: answers('1.1', 204, null, ['target', 404]),
  };
  scope.put(`${PATH}/:id.json`, { schema: prove }, async (request, reply) => {
    const proof = await webhooks.prove(principalOf(request), idOf(request.params));
    if (proof === 'no_webhook') throw X_ERRORS.noWebhook();
    if (proof !== 'valid') throw X_ERRORS.badTarget(proof.reason);
    return reply.code(204).send();
  });

  const remove = {
    ...TAGS,
    operationId: 'removeWebhookOfX11',
    summary: 'Remove a webhook without live replays',
    params: webhookParams,
    response: answers('1.1', 204, null, [400, 404, 409]),
  };
  scope.delete(`${PATH}/:id.json`, { schema: remove }, async (request, reply) => {
    const removed = await webhooks.remove(principalOf(request), idOf(request.params));
    if (removed === 'no_webhook') throw X_ERRORS.noWebhook();
    if (removed === 'busy') throw X_ERRORS.busy();
    return reply.code(204).send();
  });
}

const idOf = (params: unknown) => readWebhookId((params as { id: unknown }).id);

function show({ id, url, isValid, createdAtMs }: XWebhook) {
  return { id, url, valid: isValid, created_at: formatSeconds(createdAtMs) };
}
