// What webhooks receive, for the section `webhooks` of the API's description: replayed events here, completion events
// and checks in files of their own. A further kind of request is one line in RECEIVED.

import { Type } from 'typebox';
import { CHECKS } from './checks-received.ts';
import { COMPLETIONS } from './completion-received.ts';
import { header, signed, X_SIGNATURE } from './received.ts';

const OF_A_REPLAY = [
  header('reprise-job-id', 'The replay.', '882705129484288003'),
  header('reprise-fence', 'Rises when another instance takes the replay over.', '1'),
  header(
    'reprise-event-time',
    'Original time of the event, of a batch its first (RFC 3339).',
    '2026-11-20T10:00:03.417Z',
  ),
  header('reprise-attempt', '1, 2, 3 ... of this message by this owner.', '1'),
  X_SIGNATURE,
];

const ANSWERS = {
  '2XX': { description: 'Delivered: it is not sent again.' },
  '410': { description: 'The endpoint is gone: the replay is paused.' },
  '429': { description: 'Too fast: `Retry-After` is obeyed, and it is sent again. So are 502, 503 and 504.' },
  '4XX': { description: 'Refused: a batch is halved; an event becomes a dead letter after a few attempts.' },
  '5XX': { description: 'Tried again, with growing pauses; then a dead letter.' },
  default: { description: 'Anything else, redirects too, is a failure.' },
};

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
      'cannot share a body (no `reprise-event-count` then). The content type is the webhook’s `contentType`; its own ' +
      '`headers` are sent besides.',
    content: { 'application/json': { schema: oneEvent, example: { order: 17, state: 'paid' } } },
    headers: OF_A_REPLAY,
    id: EVENT_ID,
    responses: ANSWERS,
  }),
  events: signed({
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
    id: BATCH_ID,
    responses: ANSWERS,
  }),
  ...COMPLETIONS,
  ...CHECKS,
};
