// A log that an operator does not let the owner ask: a wait that is declared, not the end of the run.

import { expect, it } from 'vitest';
import { RepriseError } from '../../../src/domain/errors.ts';
import type { Pin } from '../../../src/domain/job.ts';
import type { EndsRequest } from '../../../src/domain/log.ts';
import { Bench } from '../../support/memory-bench.ts';
import { MemoryLog } from '../../support/memory-log.ts';
import { A, FROM, TO } from '../../support/memory-stage.ts';

const REFUSED = 'site dc1: the broker refused the user';

class RefusingLog extends MemoryLog {
  refusals = 1;

  override ends(pins: readonly Pin[], request: EndsRequest, signal: AbortSignal) {
    if (this.refusals-- > 0) return Promise.reject(new RepriseError('log_unusable', REFUSED));
    return super.ends(pins, request, signal);
  }
}

it('when the ends are to be pinned, the job goes on as soon as it may', async () => {
  const bench = new Bench();
  const ids = ['a', 'b', 'c'];
  const records = ids.map((id, n) => ({ key: 'ours', id, timestampMs: FROM + n }));
  const log = new RefusingLog(new Map([[A, records]]), () => 8);
  // The range settles after the lookup.
  bench.store.clockMs = TO - 1;
  const owner = bench.own('patient', log);
  bench.store.clockMs = TO;
  await owner.ended;
  expect(log.refusals).toBe(-1);
  expect(bench.store.job).toMatchObject({ state: 'COMPLETED', context: { outcome: 'complete', fence: 1 } });
  expect(bench.accepted.toSorted()).toEqual(ids);
});
