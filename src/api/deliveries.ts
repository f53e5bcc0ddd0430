// What webhooks receive, for the section `webhooks` of the API's description: requests of ours, signed as in Standard
// Webhooks 1.0.0. A further one is one line in RECEIVED: `'its.name': signed({ summary, description, content })`.

import { Type } from 'typebox';

interface Received {
  readonly summary: string;
  readonly description: string;
  /** Of the body, by media type. */
  readonly content: Readonly<Record<string, { readonly schema: object; readonly example?: unknown }>>;
  /** Headers beside the signature's. */
  readonly headers?: readonly object[];
}

const header = (name: string, description: string, example: string) => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
  example,
});

const signature = (idMeaning: string, id: string) => [
  header('webhook-id', idMeaning, id),
  header(
    'webhook-timestamp',
    'Seconds since 1970 of this attempt; refuse what is older than 5 minutes.',
    '1795179618',
  ),
  header(
    'webhook-signature',
    'Space-separated `v1,<base64>` of HMAC-SHA256 over `id.timestamp.body`; the key is what `whsec_` encodes. One ' +
      'that fits is enough.',
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  ),
];

const OF_A_REPLAY = [
  header('reprise-job-id', 'The replay.', '882705129484288003'),
  header('reprise-fence', 'Rises when another instance takes the replay over.', '1'),
  header(
    'reprise-event-time',
    'Original time of the event, of a batch its first (RFC 3339).',
    '2026-11-20T10:00:03.417Z',
  ),
  header('reprise-attempt', '1, 2, 3 ... of this message by this owner.', '1'),
];

const ANSWERS = {
  '2XX': { description: 'Delivered: it is not sent again.' },
  '410': { description: 'The endpoint is gone: the replay is paused.' },
  '429': { description: 'Too fast: `Retry-After` is obeyed, and it is sent again. So are 502, 503 and 504.' },
  '4XX': { description: 'Refused: a batch is halved; an event becomes a dead letter after a few attempts.' },
  '5XX': { description: 'Tried again, with growing pauses; then a dead letter.' },
  default: { description: 'Anything else, redirects too, is a failure.' },
};

/** One kind of request that a webhook receives. */
function signed(received: Received, id: readonly [meaning: string, example: string] = EVENT_ID): object {
  const { summary, description, content, headers = [] } = received;
  return {
    post: {
      summary,
      description,
      tags: ['deliveries'],
      security: [],
      parameters: [...signature(...id), ...headers],
      requestBody: { required: true, content },
      responses: ANSWERS,
    },
  };
}

const EVENT_ID = [
  'Stable id of the event, the same in each attempt and each replay: drop what you know already.',
  'evt_2ZfQ8pR1',
] as const;
const BATCH_ID = [
  '`b_` and base64url SHA-256 of the ids inside, one per line: the same in each attempt of the batch.',
  'b_47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU',
] as const;

const oneEvent = Type.Unknown({
  description: 'The value of the record, byte by byte. Most are JSON; whatever the log holds is sent.',
});
const eventArray = Type.Array(Type.Unknown(), {
  title: 'EventArray',
  description: 'The values of the records, oldest first.',
});
const eventLines = Type.String({
  title: 'EventLines',
  description: 'The values of the records, one per line, oldest first.',
});

/** Everything that is sent to webhooks. */
export const RECEIVED: Readonly<Record<string, object>> = {
  event: signed({
    summary: 'One replayed event',
    description:
      'The body is the value of the record, unchanged. Sent to webhooks of mode `single`, and to all for events that ' +
      'cannot share a body (no `reprise-event-count` then).',
    content: { 'application/json': { schema: oneEvent, example: { order: 17, state: 'paid' } } },
    headers: OF_A_REPLAY,
  }),
  events: signed(
    {
      summary: 'A batch of replayed events',
      description:
        'Sent to webhooks of mode `ndjson` or `json-array`. Signed as one message; the answer is the answer to all.',
      content: {
        'application/x-ndjson': {
          schema: eventLines,
          example: '{"order":17,"state":"paid"}\n{"order":18,"state":"open"}\n',
        },
        'application/json': { schema: eventArray },
      },
      headers: [...OF_A_REPLAY, header('reprise-event-count', 'How many events are in the body.', '2')],
    },
    BATCH_ID,
  ),
};
