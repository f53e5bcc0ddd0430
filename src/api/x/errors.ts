// X's errors: HTTP status, X's own number and its text, row by row, and what of ours is which of them.
// Owned here: the table. Refused: the form of an error's body, which differs by generation (refusals.ts).
// Invariant: a client reads texts of this table only, filled with what it sent itself.

import { RepriseError, type ErrorCode } from '../../domain/errors.ts';

/** One error of X's, thrown where it is found. */
export class XRefusal extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.name = 'XRefusal';
    this.status = status;
    this.code = code;
  }
}

/** The table; those that need a word of the request are functions. */
export const X_ERRORS = {
  invalidWebhook: () => new XRefusal(400, 214, 'Webhook is marked invalid and requires a CRC check.'),
  /** Of the management routes; `why` says more. */
  badTarget: (why: string) =>
    new XRefusal(400, 214, `Webhook URL does not meet the requirements.${why === '' ? '' : ` ${why}`}`),
  missing: (field: string) => new XRefusal(400, 357, `${field}: queryParam is required.`),
  unparsable: () => new XRefusal(400, 358, 'Unable to parse parameter.'),
  negativeId: (given: string) =>
    new XRefusal(400, 360, `webhook_id: [${given}] is not greater than or equal to 0.`),
  notPast: (field: string, given: string) =>
    new XRefusal(400, 368, `${field}: [${given}] is not in the past.`),
  emptyRange: () => new XRefusal(400, 356, 'from_date must be before to_date.'),
  tooOld: (span: string) => new XRefusal(400, 356, `from_date must be within the past ${span}.`),
  unauthorized: () =>
    new XRefusal(401, 32, 'Invalid authentication method. Please use application-only authentication.'),
  noWebhook: () =>
    new XRefusal(404, 34, 'Webhook does not exist or is associated with a different X application.'),
  noRoute: () => new XRefusal(404, 34, 'Sorry, that page does not exist.'),
  otherMethod: (allowed: string) => new XRefusal(405, 86, `This method requires a ${allowed}.`),
  busy: () => new XRefusal(409, 355, 'A replay job is already in progress for this webhook.'),
  tooMany: () => new XRefusal(429, 88, 'Too many requests. Please back off your API request rate.'),
  internal: () => new XRefusal(500, 0, 'Internal server error.'),
  unavailable: () => new XRefusal(503, 67, 'Server error. Retry using an exponential backoff pattern.'),
} as const;

/** What X says to anything thrown; null = unexpected, nothing of it may be told. */
export function refusalOf(error: unknown): XRefusal | null {
  if (error instanceof XRefusal) return error;
  if (error instanceof RepriseError) return translated(error);
  // Fastify's own: a body that is too large or of another type, a path with broken percent signs ...
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? X_ERRORS.unparsable() : null;
}

/** Ours that X has a row for; all others are told by their status. */
const TRANSLATED: Partial<Record<ErrorCode, (detail: string) => XRefusal>> = {
  unauthorized: X_ERRORS.unauthorized,
  not_found: X_ERRORS.noWebhook,
  no_such_route: X_ERRORS.noRoute,
  invalid_url: X_ERRORS.badTarget,
  has_live_jobs: X_ERRORS.busy,
  too_many_requests: X_ERRORS.tooMany,
};

function translated({ code, status, detail }: RepriseError): XRefusal | null {
  const row = TRANSLATED[code];
  if (row) return row(detail);
  if (status === 503) return X_ERRORS.unavailable();
  return status < 500 ? X_ERRORS.unparsable() : null;
}
