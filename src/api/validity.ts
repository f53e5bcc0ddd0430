// The validity of a webhook as clients see it. Invariant: of a webhook that need not prove anything the state is
// `unproven`, whatever was found out about it.

import { Type } from 'typebox';
import type { Static } from 'typebox';
import { PROOF_STATES, shownValidity } from '../domain/proof.ts';
import type { Validity } from '../domain/proof.ts';
import { instant, maybeText } from './fields.ts';
import { formatInstant } from './range.ts';

export const CHECK_REASON =
  'why a check failed: timeout, refused, reset, dns, tls, blocked, protocol, http_<status>, too_long, not_json or ' +
  'wrong_response; null = it passed';
const maybeInstant = (ms: number | null | undefined): string | null =>
  ms === null || ms === undefined ? null : formatInstant(ms);

export const validity = Type.Object(
  {
    state: Type.Enum([...PROOF_STATES], {
      description: 'unproven, valid or invalid; an invalid one gets nothing',
    }),
    required: Type.Boolean({ description: 'whether it has to prove itself; if not, its state says nothing' }),
    checkedAt: maybeText('when it was checked last (RFC 3339)'),
    reason: maybeText(`of the last check: ${CHECK_REASON}`),
    nextCheckAt: maybeText('when it is checked next without being asked (RFC 3339)'),
    failures: Type.Integer({ description: 'failed checks in a row' }),
    checks: Type.Array(Type.Object({ at: instant('when'), reason: maybeText(CHECK_REASON) }), {
      description: 'the last checks since URL, secret or profile changed, newest first',
    }),
  },
  { description: 'whether it has shown that it knows its secret' },
);
type ValidityAnswer = Static<typeof validity>;

export function showValidity(given: Validity, required: boolean): ValidityAnswer {
  const { state, failures, checks, nextCheckAtMs } = shownValidity(given, required);
  return {
    state,
    required,
    checkedAt: maybeInstant(checks[0]?.atMs),
    reason: checks[0]?.reason ?? null,
    nextCheckAt: maybeInstant(nextCheckAtMs),
    failures,
    checks: checks.map(({ atMs, reason }) => ({ at: formatInstant(atMs), reason })),
  };
}
