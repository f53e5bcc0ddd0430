// Rows of the table: X's API (docs/X.md).

import { DAY_MS, MINUTE_MS, ms, SECOND_MS, usually } from './setting.ts';
import { integer, oneOf } from './values.ts';

export const X_SETTINGS = {
  xApi: usually(
    'REPRISE_X_API',
    oneOf(['on', 'off']),
    'on',
    'Whether X’s Account Activity Replay API is served besides, under `/1.1` and `/2`.',
  ),
  xFromAgeMs: usually(
    'REPRISE_X_FROM_AGE_MS',
    ms(0, DAY_MS),
    31 * MINUTE_MS,
    'How old `from_date` of X’s calls must be.',
  ),
  xToAgeMs: usually(
    'REPRISE_X_TO_AGE_MS',
    ms(0, DAY_MS),
    10 * MINUTE_MS,
    'How old `to_date` of X’s calls must be.',
  ),
  xQuota: usually(
    'REPRISE_X_QUOTA',
    integer(1, 1000, 'replays'),
    5,
    'Most replays of one webhook within the window for X’s calls to add one; all that are kept count.',
  ),
  xQuotaWindowMs: usually(
    'REPRISE_X_QUOTA_WINDOW_MS',
    ms(SECOND_MS, DAY_MS),
    15 * MINUTE_MS,
    'The window of that quota.',
  ),
};
