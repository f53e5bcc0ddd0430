// What a claimer does not see: jobs of a newer version's format, or with a fact of it in their history (rolling
// upgrades), so that they cannot make it spin.

import { sql } from 'kysely';
import { FACT_TYPES, JOB_FORMAT } from '../domain/fact.ts';

/**
 * Of `replay_jobs j`. Counted, not NOT EXISTS: MariaDB answers that from a copy of the whole history (40,003 rows read
 * for a claim behind 20,000 ended jobs, at each claim). A count is asked for each candidate alone: 4 rows.
 */
export const KNOWN_ONLY = sql`j.format <= ${JOB_FORMAT} AND (
  SELECT COUNT(*) FROM job_transitions t
  WHERE t.job_id = j.id AND t.type NOT IN (${sql.join([...FACT_TYPES])})) = 0`;
