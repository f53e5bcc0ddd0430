// The shape of a webhook as clients see it; its secret only in the answer that makes one.

import { Type, type Static } from 'typebox';
import { COMPLETION_TYPES } from '../domain/completion.ts';
import { DELIVERY_MODES } from '../domain/message.ts';
import { WEBHOOK_PROFILES } from '../domain/proof.ts';
import { id, instant, maybeInteger, text } from './fields.ts';
import { headersShown } from './request-profile.ts';
import { validity } from './validity.ts';

const webhookFields = {
  id,
  url: text('where events are POSTed to'),
  key: text('the Kafka record key of its events'),
  description: text('what its owner wrote'),
  maxRate: maybeInteger('most events per second; null = the deployment’s limit alone'),
  concurrency: maybeInteger('most requests in flight; null = the deployment’s default'),
  delivery: Type.Object(
    {
      mode: Type.Enum([...DELIVERY_MODES], { description: 'one event per request, or batches' }),
      maxEvents: Type.Integer({ description: 'most events of a batch' }),
      maxBytes: Type.Integer({ description: 'most bytes of a batch' }),
    },
    { description: 'how events are packed into requests' },
  ),
  contentType: text('the content-type of a request with one event'),
  headers: headersShown,
  notifications: Type.Array(Type.Enum([...COMPLETION_TYPES]), {
    description: 'the completion events of its replays that are sent to it',
  }),
  profile: Type.Enum([...WEBHOOK_PROFILES], {
    description: 'standard: Standard Webhooks; x: signed and checked as by X besides',
  }),
  validity,
  version: Type.Integer({ description: 'rises with each change and each check' }),
  createdAt: instant('when it was registered'),
  updatedAt: instant('when it was last changed'),
};
export const webhook = Type.Object(webhookFields, {
  title: 'Webhook',
  description: 'a webhook as it is now',
});
export const webhookWithSecret = Type.Object(
  {
    ...webhookFields,
    secret: Type.Optional(text('the signing secret, whsec_...; told only when it is new')),
  },
  { title: 'WebhookWithSecret', description: 'a webhook, with its secret when that is new' },
);
export type WebhookAnswer = Static<typeof webhookWithSecret>;
