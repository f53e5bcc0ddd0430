// TLS and SASL on real listeners with real certificates: who is let in reads the same as on a bare socket; who is not
// gets one text that names the setting to look at, and does not storm the broker.

import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import type { ReadWait } from '../../../src/domain/log.ts';
import { AUTHORITY, CLIENT, CLIENT_EXPIRED, STRANGER } from '../../support/certificates.ts';
import type { Pair } from '../../support/certificates.ts';
import { PASSWORD, START_MS, USER, startSecuredBroker, token } from '../../support/secured-broker.ts';
import type { Listener, SecuredBroker } from '../../support/secured-broker.ts';
import { T, never, openLog, openStream, pinOf, range, readAll } from './cluster.ts';

const TOPIC = 'delivery_log';
/** More than one TLS record each. */
const VALUES = Array.from({ length: 6 }, (_, n) => `${n}`.repeat(300_000));
/** A password that no text may show. */
const WRONG = 'wr0ng-c4n4ry';

let broker: SecuredBroker;
beforeAll(async () => {
  broker = await startSecuredBroker({ scram: true });
  const brokers = [broker.listeners.plain.address];
  const kafka = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING });
  const [admin, producer] = [kafka.admin(), kafka.producer()];
  await Promise.all([admin.connect(), producer.connect()]);
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }], waitForLeaders: true });
  for (const [n, value] of VALUES.entries())
    await producer.send({ topic: TOPIC, messages: [{ key: 'w', value, timestamp: String(T + n) }] });
  await Promise.all([admin.disconnect(), producer.disconnect()]);
}, START_MS);
afterAll(() => broker.stop());

type Settings = Readonly<Record<string, string>>;

/** Texts of files by setting: each becomes a file. */
function settingsOf(name: string, plain: Settings, files: Settings): Settings {
  const written = Object.entries(files).map(([option, text]) => [
    option,
    broker.file(`${name}-${option}`, text),
  ]);
  return { ...plain, ...(Object.fromEntries(written) as Settings) };
}

const TLS = { TLS_CA_FILE: AUTHORITY };
const withCertificate = ({ cert, key }: Pair) => ({ ...TLS, TLS_CERT_FILE: cert, TLS_KEY_FILE: key });
const user = (mechanism: string, name = USER) => ({ SASL_MECHANISM: mechanism, SASL_USERNAME: name });
const BEARER = { SASL_MECHANISM: 'oauthbearer' };

let opened = 0;

/** The log as an instance with these settings has it: from the environment on. */
function open(address: string, plain: Settings, files: Settings, fetchMaxBytes = 1024 * 1024) {
  const settings = settingsOf(`log${++opened}`, plain, files);
  const { sites } = loadConfig({
    REPRISE_DATABASE_URL: 'mysql://u:p@h:3306/d',
    REPRISE_API_KEY: 'k',
    REPRISE_SITES: `dc1=${address}/${TOPIC}`,
    ...Object.fromEntries(
      Object.entries(settings).map(([option, value]) => [`REPRISE_SITE_DC1_${option}`, value]),
    ),
  });
  return { ...openLog(TOPIC, { sites, fetchMaxBytes }), settings };
}

describe('who is let in', () => {
  it.each<[string, Listener, Settings, () => Settings]>([
    ['SCRAM-SHA-512', 'sasl', user('scram-sha-512'), () => ({ ...TLS, SASL_PASSWORD_FILE: `${PASSWORD}\n` })],
    ['SCRAM-SHA-256', 'sasl', user('scram-sha-256'), () => ({ ...TLS, SASL_PASSWORD_FILE: PASSWORD })],
    ['PLAIN', 'sasl', user('plain'), () => ({ ...TLS, SASL_PASSWORD_FILE: PASSWORD })],
    ['OAUTHBEARER', 'sasl', BEARER, () => ({ ...TLS, SASL_TOKEN_FILE: `${token()}\n` })],
    ['a client certificate', 'mutual', {}, () => withCertificate(CLIENT)],
  ])('by %s finds and reads the whole log', async (_, listener, plain, files) => {
    const { log, noted } = open(broker.listeners[listener].address, plain, files());
    expect(await log.check()).toMatchObject([{ site: 'dc1', reachable: true, problem: null, partitions: 1 }]);
    // The scan threads are started with the same settings after the main thread has used them.
    const told = await readAll(await openStream(log));
    expect(told.values).toEqual(VALUES);
    expect(told.gaps).toEqual([]);
    expect(noted.filter(({ name }) => name === 'read.retry' || name === 'log.problem')).toEqual([]);
  });

  it('by a token authenticates again with what the file holds then, and waits when that is refused', async () => {
    const { log, settings } = open(
      broker.listeners.sasl.address,
      BEARER,
      { ...TLS, SASL_TOKEN_FILE: token() },
      1,
    );
    const path = settings['SASL_TOKEN_FILE']?.split('/').at(-1) ?? '';
    const pin = await pinOf(log);
    const refused = Promise.withResolvers<ReadWait>();
    const again = Promise.withResolvers<undefined>();
    let end: number | null = null;
    const stream = await openStream(log, {
      pin,
      end: () => end,
      onWait: (wait) => {
        if (wait?.why === 'broker') refused.resolve(wait);
        else if (isRefused) again.resolve(undefined);
      },
    });
    let isRefused = false;
    const reading = readAll(stream);
    broker.file(path, token(-60_000));
    // The session is as long as Kafka lets it be; the reader follows the log's end meanwhile.
    expect((await refused.promise).detail).toBe(
      'site dc1: the broker refused the token (SASL OAUTHBEARER); check REPRISE_SITE_DC1_SASL_TOKEN_FILE',
    );
    isRefused = true;
    broker.file(path, token());
    await again.promise;
    end = pin.end;
    expect((await reading).values).toEqual(VALUES);
  });
});

const REFUSED_USER = (mechanism: string): string =>
  `the broker refused the user or password (SASL ${mechanism}); ` +
  'check REPRISE_SITE_DC1_SASL_USERNAME and REPRISE_SITE_DC1_SASL_PASSWORD_FILE';
const REFUSED_TOKEN =
  'the broker refused the token (SASL OAUTHBEARER); check REPRISE_SITE_DC1_SASL_TOKEN_FILE';
const wrong = { ...TLS, SASL_PASSWORD_FILE: WRONG };
const right = { ...TLS, SASL_PASSWORD_FILE: PASSWORD };

describe.concurrent('who is not let in', () => {
  /** Long enough for the third try. */
  const WINDOW_MS = 5_000;

  it.each<[string, Listener, Settings, Settings, string]>([
    ['a wrong password, SCRAM-SHA-512', 'sasl', user('scram-sha-512'), wrong, REFUSED_USER('SCRAM-SHA-512')],
    ['a wrong password, SCRAM-SHA-256', 'sasl', user('scram-sha-256'), wrong, REFUSED_USER('SCRAM-SHA-256')],
    ['a wrong password, PLAIN', 'sasl', user('plain'), wrong, REFUSED_USER('PLAIN')],
    ['an unknown user', 'sasl', user('scram-sha-512', WRONG), right, REFUSED_USER('SCRAM-SHA-512')],
    ['an expired token', 'sasl', BEARER, { ...TLS, SASL_TOKEN_FILE: token(-60_000) }, REFUSED_TOKEN],
    ['a token that is none', 'sasl', BEARER, { ...TLS, SASL_TOKEN_FILE: WRONG }, REFUSED_TOKEN],
    [
      'no user',
      'sasl',
      {},
      TLS,
      'the broker closed the connection at the first question; if it wants SASL, set REPRISE_SITE_DC1_SASL_MECHANISM',
    ],
    [
      'a user where none is wanted',
      'plain',
      user('plain'),
      { SASL_PASSWORD_FILE: WRONG },
      "the broker's port is not one for SASL; check the port in REPRISE_SITES, or unset REPRISE_SITE_DC1_SASL_MECHANISM",
    ],
    [
      'another authority',
      'sasl',
      user('plain'),
      { ...right, TLS_CA_FILE: STRANGER },
      "the broker's certificate was not issued by the authority that is trusted; check REPRISE_SITE_DC1_TLS_CA_FILE",
    ],
    [
      'an expired server certificate',
      'expired',
      {},
      TLS,
      "the broker's certificate, or its authority's, has expired; renew it, or check REPRISE_SITE_DC1_TLS_CA_FILE",
    ],
    [
      'a server certificate for another host',
      'elsewhere',
      {},
      TLS,
      "the broker's certificate is for another host; check the names in it and the brokers in REPRISE_SITES",
    ],
    [
      'an expired client certificate',
      'mutual',
      {},
      withCertificate(CLIENT_EXPIRED),
      'the client certificate has expired (2021-01-01); renew it in REPRISE_SITE_DC1_TLS_CERT_FILE',
    ],
    [
      'no client certificate',
      'mutual',
      {},
      TLS,
      'the broker ended the TLS handshake; if it wants a client certificate, set REPRISE_SITE_DC1_TLS_CERT_FILE',
    ],
    [
      'a certificate that is not the key’s',
      'mutual',
      {},
      { ...withCertificate(CLIENT), TLS_KEY_FILE: CLIENT_EXPIRED.key },
      'the TLS files are not a certificate and its key in PEM; check REPRISE_SITE_DC1_TLS_CA_FILE and the two beside it',
    ],
    [
      'TLS to a port without',
      'plain',
      {},
      TLS,
      'the broker does not answer in TLS; check that the port in REPRISE_SITES is one for TLS',
    ],
    [
      'no TLS to a port with',
      'sasl',
      {},
      {},
      "the broker's port speaks TLS, and TLS is not turned on; set REPRISE_SITE_DC1_TLS_CA_FILE",
    ],
  ])('with %s is told so once, and asks about once per second', async (_, listener, plain, files, words) => {
    const port = await broker.portTo(listener);
    const { log, noted } = open(port.address, plain, files);
    const problem = `site dc1: ${words}`;
    const until = performance.now() + WINDOW_MS;
    const texts = new Set<string>();
    let asked = 0;
    while (performance.now() < until) {
      for (const check of await log.check()) texts.add(check.problem ?? 'none');
      // What several jobs do at the same time, without the waits that they have.
      const lookups = Array.from({ length: 4 }, () => log.lookup('dc1', range, true, never));
      for (const lookup of await Promise.allSettled(lookups)) {
        expect(lookup).toMatchObject({
          status: 'rejected',
          reason: { code: 'log_unusable', detail: problem },
        });
        asked++;
      }
      await sleep(50);
    }
    expect([...texts]).toEqual([problem]);
    expect(log.status()).toMatchObject([{ site: 'dc1', reachable: false, problem }]);
    expect(noted.filter(({ name }) => name === 'log.problem')).toEqual([
      { name: 'log.problem', fields: { site: 'dc1', problem } },
    ]);
    // At 0, 1 and 3 s; KafkaJS tries a connection that breaks twice.
    expect(port.connections).toBeLessThanOrEqual(1 + WINDOW_MS / 1_000);
    expect(asked).toBeGreaterThan(20);
    const told = JSON.stringify([noted, log.status()]);
    for (const secret of [WRONG, PASSWORD, token().slice(0, 20), 'PRIVATE KEY'])
      expect(told).not.toContain(secret);
  });
});

it.each([
  ['is empty', (name: string) => broker.file(name, '\n')],
  ['cannot be read (EISDIR)', (name: string) => broker.folder(name)],
])('a token file that %s later is told as such', async (why, spoil) => {
  const port = await broker.portTo('sasl');
  const { log, settings } = open(port.address, BEARER, { ...TLS, SASL_TOKEN_FILE: token() });
  spoil(settings['SASL_TOKEN_FILE']?.split('/').at(-1) ?? '');
  const problem = `site dc1: the token file ${why}; check REPRISE_SITE_DC1_SASL_TOKEN_FILE`;
  expect(await log.check()).toMatchObject([{ problem }]);
});
