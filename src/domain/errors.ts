// One error class, one table. What a client reads comes from the table and the given details, never from
// `cause`: causes can hold hosts, SQL and secrets and go to the log only.

interface Row {
  readonly status: number;
  readonly retryable: boolean;
  readonly title: string;
}

/** Every error code of the product, with its HTTP status, whether asking again may help, and its title. */
export const ERRORS = {
  invalid_request: { status: 400, retryable: false, title: 'The request is not valid' },
  invalid_range: { status: 400, retryable: false, title: 'The time range cannot be replayed' },
  invalid_url: { status: 400, retryable: false, title: 'The webhook URL cannot be used' },
  unauthorized: { status: 401, retryable: false, title: 'A valid API key is required' },
  forbidden: { status: 403, retryable: false, title: 'This API key may not do that' },
  not_found: { status: 404, retryable: false, title: 'There is nothing here with this id' },
  no_such_route: { status: 404, retryable: false, title: 'There is no such route' },
  method_not_allowed: { status: 405, retryable: false, title: 'This route has other methods' },
  key_taken: { status: 409, retryable: false, title: 'Another webhook has this key' },
  has_live_jobs: { status: 409, retryable: true, title: 'The webhook has replays that have not ended' },
  illegal_state: {
    status: 409,
    retryable: false,
    title: 'The replay is in a state that does not allow this',
  },
  nothing_undone: { status: 409, retryable: false, title: 'The replay left nothing to take up' },
  idempotency_in_progress: {
    status: 409,
    retryable: true,
    title: 'The first request with this key still runs',
  },
  webhook_deleted: { status: 409, retryable: false, title: 'The webhook was deleted' },
  plan_used: { status: 409, retryable: false, title: 'The plan was run already' },
  webhook_invalid: { status: 409, retryable: false, title: 'The webhook has not proven itself' },
  check_under_way: { status: 409, retryable: true, title: 'Another check of the webhook is under way' },
  precondition_failed: { status: 412, retryable: false, title: 'It was changed since you looked' },
  body_too_large: { status: 413, retryable: false, title: 'The request body is too large' },
  unsupported_media_type: { status: 415, retryable: false, title: 'The body must be application/json' },
  idempotency_mismatch: { status: 422, retryable: false, title: 'This key was used for another request' },
  too_many_requests: { status: 429, retryable: true, title: 'Too many requests' },
  internal: { status: 500, retryable: true, title: 'Something went wrong on our side' },
  database_unavailable: { status: 503, retryable: true, title: 'The database does not answer' },
  config_invalid: { status: 500, retryable: false, title: 'The configuration is not valid' },
  log_unavailable: { status: 503, retryable: true, title: 'The delivery log does not answer' },
  streams_full: { status: 503, retryable: true, title: 'This instance has no stream free' },
  log_unusable: { status: 503, retryable: true, title: 'The delivery log cannot be used' },
  log_replaced: { status: 409, retryable: false, title: 'The delivery log was replaced under the job' },
  partition_mismatch: { status: 500, retryable: false, title: 'A topic has another number of partitions' },
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof ERRORS;

/** One fault in the input: a JSON pointer (or parameter name) and what to do about it. */
export interface InputFault {
  readonly pointer: string;
  readonly detail: string;
}

export class RepriseError extends Error {
  readonly code: ErrorCode;
  /** For the client: what happened and what to do. */
  readonly detail: string;
  readonly faults: readonly InputFault[];

  constructor(
    code: ErrorCode,
    detail: string,
    options: { cause?: unknown; faults?: readonly InputFault[] } = {},
  ) {
    super(`${code}: ${detail}`, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'RepriseError';
    this.code = code;
    this.detail = detail;
    this.faults = options.faults ?? [];
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** Text of anything thrown, for logs. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
