import { describe, expect, it } from 'vitest';
import { CONFIG_TABLE, loadConfig, type Env } from '../../../src/config.ts';
import { RepriseError } from '../../../src/domain/errors.ts';

const LEAST: Env = {
  REPRISE_DATABASE_URL: 'mysql://reprise:hunter2@db.example:3306/reprise',
  REPRISE_SITES: 'dc1=kafka1:9092,kafka2:9092/delivery_log+dc2.delivery_log',
  REPRISE_API_KEY: 'c4n4ry-key',
};

function faultsOf(env: Env, files: Readonly<Record<string, string>> = {}): Record<string, string> {
  try {
    loadConfig(env, readFrom(files));
  } catch (error) {
    expect(error).toBeInstanceOf(RepriseError);
    const { code, faults } = error as RepriseError;
    expect(code).toBe('config_invalid');
    return Object.fromEntries(faults.map(({ pointer, detail }) => [pointer, detail]));
  }
  throw new Error('the settings were accepted');
}

function readFrom(files: Readonly<Record<string, string>>): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return text;
  };
}

describe('with only what is required', () => {
  const config = loadConfig(LEAST);

  it('takes the documented defaults', () => {
    expect(config).toMatchObject({
      listen: { host: '127.0.0.1', port: 8080 },
      poolSize: 16,
      scanThreads: null,
      leaseMs: 30_000,
      heartbeatIntervalMs: 5000,
      pollIntervalMs: 500,
      lookbackMs: 5 * 24 * 3_600_000,
      settleMs: 150_000,
      planTtlMs: 3_600_000,
      jobRetentionMs: 90 * 24 * 3_600_000,
      disorderSlackMs: 900_000,
      mirrorWatchIntervalMs: 15_000,
      maxRate: 2500,
      maxRepeat: 1000,
      eventIdentity: 'value',
      dangerousAllowTargets: [],
      partitions: null,
      xApi: 'on',
      xFromAgeMs: 1_860_000,
      xToAgeMs: 600_000,
      xQuota: 5,
      xQuotaWindowMs: 900_000,
    });
  });

  it('reads the sites, and is frozen', () => {
    expect(config.sites).toEqual([
      {
        name: 'dc1',
        brokers: ['kafka1:9092', 'kafka2:9092'],
        topics: ['delivery_log', 'dc2.delivery_log'],
        upstreams: {},
        settings: 'REPRISE_SITE_DC1_',
        tls: null,
        sasl: null,
      },
    ]);
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('takes an empty setting for none', () => {
    expect(loadConfig({ ...LEAST, REPRISE_PARTITIONS: '', REPRISE_POOL_SIZE: '' }).poolSize).toBe(16);
  });

  it('leaves the names of others, of the tests and of the scripts alone', () => {
    const around = { PATH: '/bin', REPRISE_TEST_DATABASE_URL: 'x', REPRISE_TETHER: '4711' };
    expect(() => loadConfig({ ...LEAST, ...around })).not.toThrow();
  });
});

describe('mistakes', () => {
  it('are all told at once, each with what is allowed', () => {
    const faults = faultsOf({
      REPRISE_SITES: 'dc1=kafka/delivery_log',
      REPRISE_LISTEN: '8080',
      REPRISE_POOL_SIZE: 'many',
      REPRISE_MAX_RATE: '0',
      REPRISE_EVENT_IDENTITY: 'key',
      REPRISE_DANGEROUS_ALLOW_TARGETS: '127.0.0.0/8,10.0.0.0/33',
      REPRISE_HEARTBEAT_INTERVAL_MS: '10000',
      REPRISE_POOL_SISE: '4',
      REPRISE_XYZZY: '1',
    });
    expect(faults).toEqual({
      REPRISE_DATABASE_URL: expect.stringContaining('is missing; allowed: mysql://') as string,
      REPRISE_API_KEY: expect.stringContaining('is missing') as string,
      REPRISE_SITES: expect.stringContaining('broker "kafka" is not host:port; allowed: name=') as string,
      REPRISE_LISTEN: expect.stringContaining('host:port') as string,
      REPRISE_POOL_SIZE: '"many" is not an integer; allowed: an integer from 1 to 1024',
      REPRISE_MAX_RATE: '"0" is too small; allowed: an integer from 1 to 1000000 (events/s)',
      REPRISE_EVENT_IDENTITY: '"key" is not one of the known words; allowed: one of value, value+time',
      REPRISE_DANGEROUS_ALLOW_TARGETS: expect.stringContaining('(number 2)') as string,
      REPRISE_HEARTBEAT_INTERVAL_MS: '10000 is too large; allowed: below a third of REPRISE_LEASE_MS (30000)',
      REPRISE_POOL_SISE: 'is not a setting; did you mean REPRISE_POOL_SIZE?',
      REPRISE_XYZZY: expect.stringContaining('is not a setting') as string,
    });
  });

  it('never show a secret', () => {
    const told = JSON.stringify(
      faultsOf({ ...LEAST, REPRISE_API_KEY: 'c4n4ry key', REPRISE_DATABASE_URL: 'http://u:c4n4ry@h/db' }),
    );
    expect(told).toContain('REPRISE_API_KEY');
    expect(told).not.toContain('c4n4ry');
  });

  it.each([
    ['postgres://u@h/db', 'mysql://'],
    ['mysql://h/db', 'no user'],
    ['mysql://u:p@h', 'one database'],
    ['mysql://u:p@h/db?multipleStatements=true', 'parameters'],
    ['mysql://u:50%off@h/db', 'percent'],
    ['not a url', 'not a URL'],
  ])('of the database URL %s are named', (url, why) => {
    expect(faultsOf({ ...LEAST, REPRISE_DATABASE_URL: url })['REPRISE_DATABASE_URL']).toContain(why);
  });

  it.each([
    ['dc1=k:9092/a;dc1=l:9092/b', 'twice'],
    ['dc1=k:9092/a+a', 'names a topic twice'],
    ['dc1=k:9092/', 'topic ""'],
    ['DC_1=k:9092/a', 'lower-case'],
    ['dc1', 'site 1: is not name=brokers/topics'],
    ['dc1=k:9092/a;', 'site 2'],
  ])('of the sites %s are named', (sites, why) => {
    expect(faultsOf({ ...LEAST, REPRISE_SITES: sites })['REPRISE_SITES']).toContain(why);
  });

  it('of a relation are told only when both sides can be read', () => {
    expect(faultsOf({ ...LEAST, REPRISE_LEASE_MS: 'x', REPRISE_POLL_INTERVAL_MS: '60000' })).toEqual({
      REPRISE_LEASE_MS: expect.any(String) as string,
    });
    expect(faultsOf({ ...LEAST, REPRISE_RETRY_BASE_MS: '2', REPRISE_RETRY_CAP_MS: '1' })).toEqual({
      REPRISE_RETRY_BASE_MS: '2 is too large; allowed: at most REPRISE_RETRY_CAP_MS (1)',
    });
  });
});

describe('the settings of a site', () => {
  const sites = { ...LEAST, REPRISE_SITES: 'dc-1=k:9092/a;dc2=l:9092/a' };

  it('become its TLS and SASL options, with the files read', () => {
    const config = loadConfig(
      {
        ...sites,
        REPRISE_SITE_DC_1_TLS_CA_FILE: '/ca',
        REPRISE_SITE_DC_1_SASL_MECHANISM: 'scram-sha-512',
        REPRISE_SITE_DC_1_SASL_USERNAME: 'reprise',
        REPRISE_SITE_DC_1_SASL_PASSWORD_FILE: '/password',
        REPRISE_SITE_DC2_TLS_CA_FILE: 'system',
      },
      readFrom({ '/ca': 'PEM', '/password': 'p w\n' }),
    );
    expect(config.sites[0]).toMatchObject({
      tls: { ca: 'PEM', cert: null, key: null },
      sasl: { mechanism: 'scram-sha-512', username: 'reprise', password: 'p w' },
    });
    expect(config.sites[1]).toMatchObject({ tls: { ca: null }, sasl: null });
  });

  it('are refused when unknown, incomplete, unreadable or of no site', () => {
    const faults = faultsOf({
      ...sites,
      REPRISE_SITE_DC_1_TLS_CERT_FILE: '/missing',
      REPRISE_SITE_DC_1_SASL_MECHANISM: 'gssapi',
      REPRISE_SITE_DC2_TLS_CA: '/ca',
      REPRISE_SITE_DC3_TLS_CA_FILE: '/ca',
    });
    expect(faults).toEqual({
      REPRISE_SITE_DC_1_TLS_CERT_FILE: expect.stringContaining('ENOENT') as string,
      REPRISE_SITE_DC_1_TLS_KEY_FILE: expect.stringContaining('missing') as string,
      REPRISE_SITE_DC_1_SASL_MECHANISM: expect.stringContaining('scram-sha-256') as string,
      REPRISE_SITE_DC_1_SASL_USERNAME: expect.stringContaining('missing') as string,
      REPRISE_SITE_DC_1_SASL_PASSWORD_FILE: expect.stringContaining('missing') as string,
      REPRISE_SITE_DC2_TLS_CA: expect.stringContaining('allowed after REPRISE_SITE_DC2_') as string,
      REPRISE_SITE_DC3_TLS_CA_FILE: expect.stringContaining('sites: dc-1, dc2') as string,
    });
  });
});

it('a setting of all sites may begin like those of a single one', () => {
  expect(loadConfig({ ...LEAST, REPRISE_SITE_DOWN_MS: '3000' }).siteDownMs).toBe(3_000);
  expect(faultsOf({ ...LEAST, REPRISE_SITE_DOWN_M: '3000' })).toEqual({
    REPRISE_SITE_DOWN_M: expect.stringContaining('belongs to no site') as string,
  });
});

describe('a token in place of a password', () => {
  const token = {
    ...LEAST,
    REPRISE_SITE_DC1_SASL_MECHANISM: 'oauthbearer',
    REPRISE_SITE_DC1_SASL_TOKEN_FILE: '/token',
  };

  it('is named by its file, which whoever authenticates reads', () => {
    const config = loadConfig(token, readFrom({ '/token': 'c4n4ry\n' }));
    expect(config.sites[0]?.sasl).toEqual({ mechanism: 'oauthbearer', tokenFile: '/token' });
    expect(JSON.stringify(config.sites)).not.toContain('c4n4ry');
  });

  it('is refused when it cannot be read, is empty, or comes with what belongs to a password', () => {
    expect(faultsOf(token)).toEqual({
      REPRISE_SITE_DC1_SASL_TOKEN_FILE: expect.stringContaining('ENOENT') as string,
    });
    expect(faultsOf(token, { '/token': '\n' })).toEqual({
      REPRISE_SITE_DC1_SASL_TOKEN_FILE: expect.stringContaining('empty') as string,
    });
    expect(faultsOf({ ...token, REPRISE_SITE_DC1_SASL_USERNAME: 'u' }, { '/token': 't' })).toEqual({
      REPRISE_SITE_DC1_SASL_USERNAME: 'is not used with oauthbearer',
    });
    const plain = { ...token, REPRISE_SITE_DC1_SASL_MECHANISM: 'plain' };
    expect(faultsOf(plain, { '/token': 't' })).toEqual({
      REPRISE_SITE_DC1_SASL_TOKEN_FILE: 'is not used with plain',
      REPRISE_SITE_DC1_SASL_USERNAME: expect.stringContaining('missing') as string,
      REPRISE_SITE_DC1_SASL_PASSWORD_FILE: expect.stringContaining('missing') as string,
    });
    expect(faultsOf({ ...token, REPRISE_SITE_DC1_SASL_MECHANISM: '' }, { '/token': 't' })).toEqual({
      REPRISE_SITE_DC1_SASL_MECHANISM: expect.stringContaining('missing') as string,
    });
  });
});

it('has a default inside its own limits for every setting', () => {
  for (const { name, need, fallback, kind } of Object.values(CONFIG_TABLE)) {
    if (need === 'default' && typeof fallback !== 'object') {
      expect(kind.parse(String(fallback)), name).toEqual({ value: fallback });
    }
  }
});
