// The sites as they are written: what their topics are copies of, and which of them an instance prefers.

import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { SITES, SITES_ORDER, inOrder } from '../../../src/config/site-list.ts';
import { RepriseError } from '../../../src/domain/errors.ts';

/** `site/topic` -> `site/topic` that it is a copy of; or the fault. */
function copies(text: string): Record<string, string> | string {
  const parsed = SITES.parse(text);
  if ('fault' in parsed) return parsed.fault;
  return Object.fromEntries(
    parsed.value.flatMap(({ name, upstreams }) =>
      Object.entries(upstreams).map(([topic, from]) => [`${name}/${topic}`, `${from.site}/${from.topic}`]),
    ),
  );
}

describe('a topic', () => {
  it.each([
    [
      'with MirrorMaker’s prefix is a copy of that site’s topic',
      'dc1=k:1/log+dc2.log;dc2=l:1/log+dc1.log',
      { 'dc1/dc2.log': 'dc2/log', 'dc2/dc1.log': 'dc1/log' },
    ],
    ['with the prefix of no site is its own', 'dc1=k:1/log+dc3.log;dc2=l:1/log', {}],
    ['with the prefix of a site without it is its own', 'dc1=k:1/log+dc2.other;dc2=l:1/log', {}],
    ['with the prefix of its own site is its own', 'dc1=k:1/log+dc1.log', {}],
    ['of the same name is a copy when it says so', 'dc1=k:1/log;dc2=l:1/log@dc1', { 'dc2/log': 'dc1/log' }],
    [
      'of another name is a copy when it says so',
      'dc1=k:1/log+mirror@dc2:events;dc2=l:1/events',
      { 'dc1/mirror': 'dc2/events' },
    ],
    [
      'is a copy of what it says, whatever its prefix',
      'dc1=k:1/log+dc2.log@dc2:other;dc2=l:1/log+other',
      { 'dc1/dc2.log': 'dc2/other' },
    ],
    [
      'may be a copy of a copy',
      'dc1=k:1/log;dc2=l:1/dc1.log;dc3=m:1/dc2.dc1.log',
      { 'dc2/dc1.log': 'dc1/log', 'dc3/dc2.dc1.log': 'dc2/dc1.log' },
    ],
    ['may have a site with a hyphen', 'dc-1=k:1/log;dc2=l:1/dc-1.log', { 'dc2/dc-1.log': 'dc-1/log' }],
  ])('%s', (_, text, expected) => {
    expect(copies(text)).toEqual(expected);
  });

  it.each([
    ['dc1=k:1/log@dc2', 'topic log is said to be a copy of site dc2, which is not a site'],
    ['dc1=k:1/log@dc2;dc2=l:1/other', 'a copy of log, which site dc2 does not list'],
    ['dc1=k:1/log@dc2:events;dc2=l:1/log', 'a copy of events, which site dc2 does not list'],
    ['dc1=k:1/log@dc1', 'site dc1: topic log is said to be a copy of its own site'],
    ['dc1=k:1/log@dc1:other+other', 'a copy of its own site'],
    ['dc1=k:1/log@dc2;dc2=l:1/log@dc1', 'topic log is a copy of itself in a circle'],
    ['dc1=k:1/dc2.log;dc2=l:1/log@dc1:dc2.log', 'in a circle'],
    ['dc1=k:1/log@dc2;dc2=l:1/log@dc3;dc3=m:1/log@dc2', 'in a circle'],
    ['dc1=k:1/log@', 'topic log: "" after @ is not a site’s name'],
    ['dc1=k:1/log@dc2:;dc2=l:1/log', 'topic log: "" after : is not a topic name'],
    ['dc1=k:1/log@dc2:a@b;dc2=l:1/log', '"a@b" after :'],
    ['dc1=k:1/@dc2;dc2=l:1/log', 'topic "" is not a topic name'],
    ['dc1=k:1/log+log@dc2;dc2=l:1/log', 'names a topic twice'],
  ])('that is written %s is a fault', (text, why) => {
    expect(copies(text)).toContain(why);
  });
});

describe('the order of the sites', () => {
  const env = (order: string) => ({
    REPRISE_DATABASE_URL: 'mysql://u:p@h:3306/d',
    REPRISE_API_KEY: 'k',
    REPRISE_SITES: 'dc1=k:1/log+dc2.log;dc2=l:1/log+dc1.log;dc3=m:1/log',
    REPRISE_SITE_DC2_TLS_CA_FILE: 'system',
    REPRISE_SITES_ORDER: order,
  });
  const namesIn = (order: string): string[] => loadConfig(env(order)).sites.map(({ name }) => name);

  it('is the listed one, or the one that this instance prefers', () => {
    expect(namesIn('')).toEqual(['dc1', 'dc2', 'dc3']);
    expect(namesIn('dc3, dc1,dc2')).toEqual(['dc3', 'dc1', 'dc2']);
  });

  it('takes each site’s own settings along', () => {
    const [first] = loadConfig(env('dc2,dc3,dc1')).sites;
    expect(first).toMatchObject({
      name: 'dc2',
      settings: 'REPRISE_SITE_DC2_',
      tls: { ca: null },
      upstreams: { 'dc1.log': { site: 'dc1', topic: 'log' } },
    });
  });

  it.each([
    ['dc2,dc1', 'does not name site dc3'],
    ['dc1,dc2,dc3,dc4', 'names site dc4, which REPRISE_SITES does not have'],
    ['dc1,dc2,dc1', '"dc1,dc2,dc1" names site dc1 twice'],
    ['dc1,,dc2', 'names ""'],
  ])('%s is a fault', (order, why) => {
    try {
      loadConfig(env(order));
      expect.unreachable('the order was accepted');
    } catch (error) {
      expect(error).toBeInstanceOf(RepriseError);
      const { faults } = error as RepriseError;
      expect(faults).toMatchObject([{ pointer: 'REPRISE_SITES_ORDER' }]);
      expect(faults[0]?.detail).toContain(why);
      expect(faults[0]?.detail).toContain('allowed: every site');
    }
  });

  it('leaves what it was given alone', () => {
    const sites = [{ name: 'a' }, { name: 'b' }];
    expect(inOrder(sites, ['b', 'a'])).toEqual([{ name: 'b' }, { name: 'a' }]);
    expect(sites).toEqual([{ name: 'a' }, { name: 'b' }]);
    expect(SITES_ORDER.parse('b,a')).toEqual({ value: ['b', 'a'] });
  });
});
