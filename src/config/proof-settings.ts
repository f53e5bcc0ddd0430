// Rows of the table: how webhooks prove themselves (docs/PROOF.md).

import { PROOF_MODES } from '../domain/proof.ts';
import { DAY_MS, MINUTE_MS, ms, usually } from './setting.ts';
import { integer, oneOf } from './values.ts';

export const PROOF_SETTINGS = {
  webhookProof: usually(
    'REPRISE_WEBHOOK_PROOF',
    oneOf(PROOF_MODES),
    'x',
    'Which webhooks prove themselves before they get anything: none (off), those of profile x, or all.',
  ),
  webhookProofIntervalMs: usually(
    'REPRISE_WEBHOOK_PROOF_INTERVAL_MS',
    ms(100, 366 * DAY_MS),
    DAY_MS,
    'Between checks of a webhook of profile standard, 10 % more or less.',
  ),
  webhookProofXIntervalMs: usually(
    'REPRISE_WEBHOOK_PROOF_X_INTERVAL_MS',
    ms(100, 366 * DAY_MS),
    60 * MINUTE_MS,
    'The same for profile x.',
  ),
  webhookProofAttempts: usually(
    'REPRISE_WEBHOOK_PROOF_ATTEMPTS',
    integer(1, 100, 'checks'),
    3,
    'Failed checks in a row that make a webhook invalid.',
  ),
  webhookProofRetryMs: usually(
    'REPRISE_WEBHOOK_PROOF_RETRY_MS',
    ms(10, DAY_MS),
    MINUTE_MS,
    'First wait before a failed check is repeated; it doubles.',
  ),
};
