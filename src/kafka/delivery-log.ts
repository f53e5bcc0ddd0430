// The delivery log as the rest of the product sees it: the port of domain/log on real clusters. Owned: the
// connections and the last check of each site. A lookup names its site; pins name theirs, so a stream finds its
// cluster by the source. Never throws because Kafka is away: questions repeat until aborted. A site that refuses us
// is told to who asks, because only an operator can mend that.

import type { SourceName } from '../domain/ids.ts';
import { logSourceOf, sourceName } from '../domain/ids.ts';
import type { BatchMark, Pin } from '../domain/job.ts';
import type {
  DeliveryLog,
  EndsRequest,
  LogStream,
  Lookup,
  PinnedEnds,
  RangeRequest,
  ReadingNow,
  StreamRequest,
  Upstream,
} from '../domain/log.ts';
import type { Emit } from '../domain/signals.ts';
import { RepriseError } from '../domain/errors.ts';
import { AccessRefused } from './access.ts';
import { LATEST } from './client.ts';
import type { KafkaConnection, SiteConfig } from './client.ts';
import { Connections, connectionsOf } from './connections.ts';
import { ERROR_CODES, Refusal } from './error-codes.ts';
import { Mirrors } from './mirror/mirrors.ts';
import { findPin, patientMarks } from './offsets.ts';
import type { FoundPin } from './offsets.ts';
import { partitionOf } from '../domain/partitioner.ts';
import { ScanThreads, defaultThreads } from './reading/scan-threads.ts';
import { sampledBytes } from './sampled-bytes.ts';
import { retrying } from './retrying.ts';
import { checkSite, refuseCount } from './site-check.ts';
import type { SiteCheck } from './site-check.ts';

export interface DeliveryLogConfig {
  readonly sites: readonly SiteConfig[];
  /** What the topics must have; null = what they have when they are first seen. */
  readonly partitions: number | null;
  readonly disorderSlackMs: number;
  readonly openTransactionWaitMs: number;
  /** 1 MiB was faster than 4 MiB on a real broker: KafkaJS joins chunks. */
  readonly fetchMaxBytes?: number;
  /** null = one less than there are processors, at least 1 and at most 4. */
  readonly scanThreads?: number | null;
}

export interface KafkaDeliveryLog extends DeliveryLog {
  /** Asks every site now, and opens connections for the first readings. Never rejects. */
  check(): Promise<readonly SiteCheck[]>;
  status(): readonly SiteCheck[];
  /** Estimated bytes of each pin's piece, an open end as `ends` has it; null: no sample tells. */
  weigh(
    pins: readonly Pin[],
    ends: Readonly<Record<SourceName, number>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<SourceName, number | null>>>;
  /** Measures how far the copies are behind until `signal` aborts; never rejects. */
  watchMirrors(intervalMs: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

interface Place {
  readonly site: string;
  readonly topic: string;
  readonly partition: number;
  /** Partitions of the topic. */
  readonly count: number;
  readonly upstream: Upstream | undefined;
}

/** Questions that are answered without waiting for a connection. */
const WARM = 4;
const FETCH_MAX_BYTES = 1024 * 1024;

export function createDeliveryLog(config: DeliveryLogConfig, emit: Emit): KafkaDeliveryLog {
  return new SitesLog(config, emit);
}

class SitesLog implements KafkaDeliveryLog {
  readonly #emit: Emit;
  readonly #sites: readonly Connections[];
  readonly #threads: ScanThreads;
  readonly #mirrors: Mirrors;
  #checks: readonly SiteCheck[];
  /** By site: what its topics must have; null before they were seen. */
  readonly #expected: (number | null)[];

  constructor(config: DeliveryLogConfig, emit: Emit) {
    this.#emit = emit;
    this.#sites = config.sites.map((site) => new Connections(site));
    this.#mirrors = new Mirrors(this.#sites, emit);
    const { sites, disorderSlackMs, openTransactionWaitMs, fetchMaxBytes = FETCH_MAX_BYTES } = config;
    const options = { openTransactionWaitMs, fetchMaxBytes };
    const threads = config.scanThreads ?? defaultThreads();
    this.#threads = new ScanThreads({ sites, options, threads, disorderSlackMs }, emit);
    this.#expected = config.sites.map(() => config.partitions);
    this.#checks = config.sites.map(({ name }) => ({
      site: name,
      reachable: false,
      problem: 'not checked yet',
      code: null,
      partitions: null,
      sinceMs: Date.now(),
    }));
  }

  get sites(): readonly string[] {
    return this.#sites.map(({ site }) => site.name);
  }

  async check(): Promise<readonly SiteCheck[]> {
    const checks = await Promise.all(this.#sites.map((site) => this.#check(site)));
    checks.forEach(({ site, problem }, index) => {
      const before = this.#checks[index]?.problem ?? null;
      if (problem !== null && problem !== before) this.#emit('log.problem', { site, problem });
      if (problem === null && before !== null) this.#emit('log.fine', { site });
    });
    this.#checks = checks;
    const usable = this.#sites.filter((_, index) => checks[index]?.problem === null);
    for (const { site } of usable) this.#threads.warm(site.name);
    await Promise.all(usable.map((site) => site.warm(WARM)));
    return checks;
  }

  status(): readonly SiteCheck[] {
    return this.#checks;
  }

  async lookup(asked: string, range: RangeRequest, pinEnds: boolean, signal: AbortSignal): Promise<Lookup> {
    const site = this.#sites.find((known) => known.site.name === asked);
    if (!site)
      throw new RepriseError('config_invalid', `site ${asked} of the delivery log is not configured`);
    const { name, topics, upstreams = {} } = site.site;
    const count = await retrying(name, this.#emit, signal, () => this.#partitions(site));
    const partition = partitionOf(range.key, count);
    const found = await Promise.all(
      topics.map((topic) =>
        this.#ask(site, topic, signal, (connection) =>
          this.#pinOf(
            connection,
            { topic, partition, count, site: name, upstream: upstreams[topic] },
            range.fromMs,
            pinEnds,
          ),
        ),
      ),
    );
    return {
      site: name,
      partition,
      pins: found.map(({ pin }) => pin),
      gaps: found.flatMap(({ gap }) => (gap ? [gap] : [])),
      maxRecords: found.reduce((sum, { records }) => sum + records, 0),
    };
  }

  async ends(pins: readonly Pin[], request: EndsRequest, signal: AbortSignal): Promise<PinnedEnds> {
    const own = pins.filter(({ copyOf }) => copyOf === undefined);
    const [ends, copies] = await Promise.all([
      this.watermarks(own, signal),
      this.#mirrors.prove(pins, request, signal),
    ]);
    return { ends: { ...ends, ...copies.ends }, evidence: copies.evidence };
  }

  watchMirrors(intervalMs: number, signal: AbortSignal): Promise<void> {
    return this.#mirrors.watch(intervalMs, signal);
  }

  async watermarks(pins: readonly Pin[], signal: AbortSignal): Promise<Readonly<Record<SourceName, number>>> {
    return await this.#each(pins, signal, async (connection, pin) => {
      const { topic, partition } = pin;
      const { offset } = await connection.offsetAt(topic, partition, LATEST);
      const expected = this.#expected[this.#sites.indexOf(this.#siteOf(pin))] ?? null;
      const count = await connection.partitionsNow(topic);
      // Not for good: the next check ends the process, and then the job is released without an end.
      if (expected !== null && count !== expected) throw new Error(`topic ${topic} has ${count} partitions`);
      return offset;
    });
  }

  async marks(
    pins: readonly Pin[],
    signal: AbortSignal,
  ): Promise<Readonly<Record<SourceName, BatchMark | null>>> {
    const markAt = patientMarks();
    return await this.#each(pins, signal, async (connection, { topic, partition, first }) =>
      first === null ? null : await markAt(connection, topic, partition, first.offset),
    );
  }

  async weigh(
    pins: readonly Pin[],
    ends: Readonly<Record<SourceName, number>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<SourceName, number | null>>> {
    return await this.#each(pins, signal, (connection, { source, topic, partition, start, end }) =>
      sampledBytes(connection, { topic, partition, start, end: end ?? ends[source] ?? start }),
    );
  }

  stream(request: StreamRequest, signal: AbortSignal): LogStream {
    this.#siteOf(request.pin);
    return this.#threads.stream(request, signal);
  }

  reading(): ReadingNow {
    return { partitions: this.#expected[0] ?? null, now: this.#threads.partitions };
  }

  async close(): Promise<void> {
    await Promise.all([this.#threads.close(), ...this.#sites.map((site) => site.close())]);
  }

  /** A site is what it was when it was first seen, or as configured. */
  async #check(site: Connections): Promise<SiteCheck> {
    const index = this.#sites.indexOf(site);
    const check = await checkSite(site, this.#expected[index] ?? null);
    this.#expected[index] ??= check.partitions;
    const before = this.#checks[index];
    const isSame = before !== undefined && (before.problem === null) === (check.problem === null);
    return { ...check, sinceMs: isSame ? before.sinceMs : Date.now() };
  }

  /** The watermark comes first, so what lies before the end was written while the count was still this one. */
  async #pinOf(
    connection: KafkaConnection,
    { site, topic, partition, count, upstream }: Place,
    fromMs: number,
    pinEnds: boolean,
  ): Promise<FoundPin> {
    const place = { source: sourceName(site, topic), topic, partition };
    const found = await findPin(connection, place, fromMs, pinEnds && !upstream);
    refuseCount(topic, await connection.partitionsNow(topic), count);
    if (!upstream) return found;
    return { ...found, pin: { ...found.pin, copyOf: sourceName(upstream.site, upstream.topic) } };
  }

  /** The number of partitions, after a check that found nothing wrong. */
  async #partitions(site: Connections): Promise<number> {
    const last = this.#checks[this.#sites.indexOf(site)];
    if (last?.problem === null && last.partitions !== null) return last.partitions;
    const { problem, code, partitions } = await this.#check(site);
    if (code !== null) throw new RepriseError(code, problem ?? 'the delivery log cannot be used');
    if (problem !== null || partitions === null) throw new Error(problem ?? 'no topic is configured');
    return partitions;
  }

  #siteOf(pin: Pin): Connections {
    return connectionsOf(this.#sites, logSourceOf(pin.source));
  }

  async #ask<T>(
    site: Connections,
    topic: string,
    signal: AbortSignal,
    work: (connection: KafkaConnection) => Promise<T>,
  ): Promise<T> {
    const source = sourceName(site.site.name, topic);
    return await retrying(source, this.#emit, signal, (attempt) =>
      site.use(topic, attempt > 1 ? 'after_failure' : 'idle', work).catch((error: unknown) => {
        // Only an operator can mend it: whoever asked shall say so instead of asking silently for ever.
        if (error instanceof AccessRefused) throw new RepriseError('log_unusable', error.message);
        if (!(error instanceof Refusal) || error.code !== ERROR_CODES.topicAuthorizationFailed) throw error;
        throw new RepriseError('log_unusable', `topic ${topic}: ${error.message}`);
      }),
    );
  }

  async #each<T>(
    pins: readonly Pin[],
    signal: AbortSignal,
    work: (connection: KafkaConnection, pin: Pin) => Promise<T>,
  ): Promise<Record<SourceName, T>> {
    const found = pins.map(async (pin): Promise<[SourceName, T]> => {
      const site = this.#siteOf(pin);
      return [pin.source, await this.#ask(site, pin.topic, signal, (connection) => work(connection, pin))];
    });
    return Object.fromEntries(await Promise.all(found));
  }
}
