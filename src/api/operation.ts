// What a route says about itself beside its schemas: which errors are its own, which headers its answers carry.
// Spread into a route's schema; openapi.ts makes the answers of the description from it. What follows from the
// route's form (a key is needed, there is a body, a path names something) is not said here: operation-answers.ts
// knows it. Tests hold both against the routes.

import { Type } from 'typebox';
import type { ErrorCode } from '../domain/errors.ts';
import type { HeaderName } from './headers.ts';

/** Keys of a route's schema; @fastify/swagger hands on what begins with `x-`. */
export const FAILS = 'x-fails';
export const SENDS = 'x-sends';
export const BODY_IS_OPTIONAL = 'x-body-is-optional';

/** The errors that are this operation's own. */
export const fails = (...codes: ErrorCode[]) => ({ [FAILS]: codes });

/** Headers of this operation's successful answers. */
export const sends = (...names: HeaderName[]) => ({ [SENDS]: names });

/** Of a creating route with `Idempotency-Key` beside its own. */
export const IDEMPOTENCY_FAILS = ['idempotency_in_progress', 'idempotency_mismatch'] as const;

/** For routes with `allowBarePost`. */
export const OPTIONAL_BODY = { [BODY_IS_OPTIONAL]: true };

/** The schema of an answer without a body. */
export const NOTHING = Type.Unsafe<undefined>({
  type: 'null',
  description: 'done; there is nothing to show',
});
