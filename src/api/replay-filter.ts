// The filters of the list of replays, as a client writes them. A cursor belongs to the list with these very filters:
// their digest is part of the list's name, so that one of another list is refused instead of leaving something out.

import { hash } from 'node:crypto';
import { Type, type Static } from 'typebox';
import { RepriseError, type InputFault } from '../domain/errors.ts';
import { asWebhookId, isId } from '../domain/ids.ts';
import { JOB_STATES } from '../domain/job.ts';
import type { ReplayFilter } from '../domain/replay-store.ts';
import { INSTANT_FORM, parseInstant } from './range.ts';
import { pageFields } from './requests.ts';

const instantQuery = (of: string) =>
  Type.Optional(Type.String({ maxLength: 40, description: `${of}: ${INSTANT_FORM}` }));

export const replayListQuery = Type.Object(
  {
    ...pageFields,
    state: Type.Optional(
      Type.Array(Type.Enum([...JOB_STATES]), {
        minItems: 1,
        maxItems: 20,
        description: `one or more of ${JOB_STATES.join(', ')}; given several times, or once with commas`,
      }),
    ),
    webhookId: Type.Optional(
      Type.String({ pattern: '^[0-9]{1,19}$', description: 'the decimal id of a webhook' }),
    ),
    createdFrom: instantQuery('requested at this instant or later'),
    createdTo: instantQuery('requested before this instant'),
  },
  { additionalProperties: false },
);

type Query = Static<typeof replayListQuery>;

export interface NamedFilter {
  readonly filter: ReplayFilter;
  /** Of the list that it makes. */
  readonly list: string;
}

/** Throws RepriseError `invalid_request`. */
export function replayFilterOf({ state = [], webhookId, createdFrom, createdTo }: Query): NamedFilter {
  const faults: InputFault[] = [];
  const instant = (name: string, text: string | undefined): number | null => {
    if (text === undefined) return null;
    const ms = parseInstant(text);
    if (ms === null) faults.push({ pointer: name, detail: `is not a time; allowed: ${INSTANT_FORM}` });
    return ms;
  };
  const createdFromMs = instant('createdFrom', createdFrom);
  const createdToMs = instant('createdTo', createdTo);
  if (createdFromMs !== null && createdToMs !== null && createdFromMs >= createdToMs) {
    faults.push({ pointer: 'createdTo', detail: 'is not after `createdFrom`; allowed: a later instant' });
  }
  if (webhookId !== undefined && !isId(webhookId)) {
    faults.push({ pointer: 'webhookId', detail: 'is no id; allowed: the decimal id of a webhook' });
  }
  if (faults.length > 0) {
    throw new RepriseError('invalid_request', 'The query is not valid; see errors.', { faults });
  }
  const filter: ReplayFilter = {
    states: [...new Set(state)].sort(),
    webhookId: webhookId === undefined ? null : asWebhookId(webhookId),
    createdFromMs,
    createdToMs,
  };
  return { filter, list: nameOf(filter) };
}

function nameOf(filter: ReplayFilter): string {
  const { states, webhookId, createdFromMs, createdToMs } = filter;
  if (states.length === 0 && webhookId === null && createdFromMs === null && createdToMs === null) {
    return 'replays';
  }
  const digest = hash('sha256', JSON.stringify([states, webhookId, createdFromMs, createdToMs]), 'base64url');
  return `replays/${digest.slice(0, 16)}`;
}
