// What the API takes and tells of several sites: how they are read, what the copies are worth, what was switched.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asSourceName } from '../../../src/domain/ids.ts';
import { NO_COUNTS } from '../../../src/domain/job.ts';
import type { Pin } from '../../../src/domain/job.ts';
import type { JobView } from '../../../src/domain/store.ts';
import { fromNow, openApi, type ApiUnderTest } from './api-fixture.ts';

const OWN1 = asSourceName('dc1/delivery_log');
const COPY1 = asSourceName('dc1/dc2.delivery_log');
const OWN2 = asSourceName('dc2/delivery_log');
const COPY2 = asSourceName('dc2/dc1.delivery_log');

let api: ApiUnderTest;
let path: string;
/** What the job's row would say besides, after a life that no API test can give it. */
let lived: Partial<JobView> = {};
beforeAll(async () => {
  api = await openApi((store) => ({
    ...store,
    replay: async (...asked) => {
      const job = await store.replay(...asked);
      return job && { ...job, ...lived };
    },
  }));
  const { body } = await api.call('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/hook' });
  path = `/v1/webhooks/${String(body?.['id'])}/replays`;
});
afterAll(() => api.close());

const RANGE = { from: fromNow(-60_000), to: fromNow(-1_000) };

async function shown(change: Partial<JobView>): Promise<Record<string, unknown>> {
  lived = {};
  const { body } = await api.call('POST', path, RANGE);
  lived = change;
  const { body: seen } = await api.call('GET', `/v1/replays/${String(body?.['id'])}`);
  return seen ?? {};
}

describe('how sites are read', () => {
  it.each([
    [{}, 'failover'],
    [{ read: 'failover' }, 'failover'],
    [{ read: 'union' }, 'union'],
  ])('%o', async (asked, read) => {
    lived = {};
    const { status, body } = await api.call('POST', path, { ...RANGE, ...asked });
    expect(status).toBe(202);
    expect(body).toMatchObject({ read, evidence: null, site: null });
    expect(body?.['counts']).toMatchObject({ siteSwitches: 0, onlyIn: {} });
    const history = await api.call('GET', `/v1/replays/${String(body?.['id'])}/transitions`);
    expect(history.body?.['items']).toMatchObject([{ body: { spec: { readMode: read } } }]);
  });
});

const pin = (source: Pin['source'], more: Partial<Pin> = {}): Pin => ({
  source,
  topic: source.slice(source.indexOf('/') + 1),
  partition: 2,
  start: 5,
  end: 9,
  first: null,
  ...more,
});

describe('a replay that went on at another site', () => {
  it('tells which pins were left, what the copies are worth, and who filled the gaps', async () => {
    const pins = [
      pin(OWN1, { isLeft: true, isRead: true }),
      pin(COPY1, { copyOf: OWN2, evidence: 'none', isLeft: true }),
      pin(OWN2),
      pin(COPY2, { copyOf: OWN1, evidence: 'endOffsets' }),
    ];
    const gap = { source: COPY1, from: 9, to: 9, reason: 'mirror_unproven' } as const;
    const counts = { ...NO_COUNTS, siteSwitches: 1, onlyIn: { dc1: 0, dc2: 3 } };
    const gaps = [{ ...gap, filledBy: 'dc2' }, gap];
    expect(await shown({ site: 'dc2', pins, gaps, counts })).toMatchObject({
      site: 'dc2',
      evidence: 'endOffsets',
      counts: { siteSwitches: 1, onlyIn: { dc1: 0, dc2: 3 } },
      pins: [
        { source: OWN1, copyOf: null, evidence: null, left: true },
        { source: COPY1, copyOf: OWN2, evidence: 'none', left: true },
        { source: OWN2, copyOf: null, evidence: null, left: false, start: '5', end: '9' },
        { source: COPY2, copyOf: OWN1, evidence: 'endOffsets', left: false },
      ],
      gaps: [
        { from: '9', to: '9', filledBy: 'dc2' },
        { from: '9', to: '9', filledBy: null },
      ],
    });
  });

  it.each([
    ['the weakest', ['endOffsets', 'none', 'heartbeats'], 'none'],
    ['the weaker', ['endOffsets', 'heartbeats'], 'heartbeats'],
    ['that of all', ['endOffsets', 'endOffsets'], 'endOffsets'],
    ['nothing to show', [], null],
  ] as const)('tells %s of several copies', async (_name, all, evidence) => {
    const copies = all.map((each, n) => pin(asSourceName(`dc1/dc${n + 2}.delivery_log`), { evidence: each }));
    expect(await shown({ pins: [pin(OWN1), ...copies] })).toMatchObject({ evidence });
  });

  it('tells no evidence as long as an end is not pinned', async () => {
    const pins = [pin(OWN1, { end: null }), pin(COPY1, { copyOf: OWN2, evidence: 'endOffsets' })];
    expect(await shown({ pins })).toMatchObject({ evidence: null });
  });
});
