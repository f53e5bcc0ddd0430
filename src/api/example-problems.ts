// What the problem documents of the API's description say, by error code.

import type { ErrorCode, InputFault } from '../domain/errors.ts';

interface ProblemExample {
  readonly detail: string;
  readonly faults?: readonly InputFault[];
}

/** What is missing here is shown with its title. */
export const PROBLEM_EXAMPLES: Readonly<Partial<Record<ErrorCode, ProblemExample>>> = {
  invalid_request: {
    detail: 'The body is not valid; see errors.',
    faults: [
      {
        pointer: '/maxRate',
        detail: 'must be >= 1; allowed: an integer from 1 to 2500 (events/s), or null for no own limit',
      },
    ],
  },
  invalid_range: {
    detail: 'The range cannot be replayed; see errors.',
    faults: [
      {
        pointer: '/to',
        detail: 'is not after `from`; allowed: a range of at least 1 ms, `from` inside and `to` outside',
      },
    ],
  },
  invalid_url: {
    detail: 'The address 10.0.0.7 is not public.',
    faults: [{ pointer: '/url', detail: 'The address 10.0.0.7 is not public.' }],
  },
  unauthorized: {
    detail: 'No API key was sent; send the header "Authorization: Bearer <key>".',
  },
  forbidden: { detail: 'Only an admin key may choose a record key; leave `key` out.' },
  not_found: { detail: 'No replay has this id; GET /v1/replays lists yours.' },
  key_taken: {
    detail: 'Another webhook has this key; change that one, or choose another key.',
    faults: [{ pointer: '/key', detail: 'belongs to another webhook' }],
  },
  illegal_state: {
    detail: 'The replay is COMPLETED; only one that is PAUSED, or is about to be, can be resumed.',
  },
  nothing_undone: { detail: 'Everything of the replay is delivered, or with another replay.' },
  body_too_large: { detail: 'The body may have at most 65,536 bytes.' },
  unsupported_media_type: {
    detail: 'Send the body as JSON with the header "Content-Type: application/json".',
  },
  plan_used: {
    detail:
      'The plan was run as replay 882705129484288003; a plan runs once. Make a new one to replay the range again.',
    faults: [{ pointer: '/planId', detail: 'was run as replay 882705129484288003' }],
  },
  precondition_failed: {
    detail: 'It has another version than the one in If-Match; look at it again, then decide anew.',
  },
  check_under_way: { detail: 'Another check of the webhook has not ended; ask again.' },
  streams_full: {
    detail: 'This instance has as many streams as it may; ask again, another instance may answer.',
  },
  internal: {
    detail: 'Try again in a moment; the request-id of this answer finds the reason in the log.',
  },
};
