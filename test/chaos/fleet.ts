// The instances of Reprise: a fixed number of places, each with one process at a time. Whoever ends a process says
// so before; one that ends by itself is told as such, because no fault justifies it.

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../../scripts/stack/stack.ts';
import { Instance } from '../support/instance.ts';
import { SLACK_MS } from './log-plan.ts';
import { fakeTimeEnv, setClock } from './clock-faults.ts';
import { Link } from './link.ts';
import { nextPort } from './ports.ts';
import type { Timeline } from './timeline.ts';

export const LEASE_MS = 2_000;
const MAX_REPEAT = 40;
/** How long a young range waits for late records. */
export const SETTLE_MS = 15_000;
const STOP_MS = 8_000;
/** How long a site may be away before its replays go on with another one. */
export const SITE_DOWN_MS = 3_000;
/** The relations are those of the defaults; everything is shorter, so that a run meets more of it. */
const ENV = {
  REPRISE_LEASE_MS: String(LEASE_MS),
  REPRISE_HEARTBEAT_INTERVAL_MS: '400',
  REPRISE_POLL_INTERVAL_MS: '150',
  REPRISE_CUT_INTERVAL_MS: '150',
  REPRISE_MAX_REPEAT: String(MAX_REPEAT),
  REPRISE_POOL_SIZE: '4',
  REPRISE_REQUEST_TIMEOUT_MS: '1500',
  REPRISE_STOP_TIMEOUT_MS: String(STOP_MS),
  REPRISE_RETRY_BASE_MS: '100',
  REPRISE_RETRY_CAP_MS: '1000',
  REPRISE_MAX_ATTEMPTS: '12',
  REPRISE_ENDPOINT_DOWN_LIMIT_MS: '4000',
  REPRISE_SETTLE_MS: String(SETTLE_MS),
  REPRISE_DISORDER_SLACK_MS: String(SLACK_MS),
  REPRISE_SITE_DOWN_MS: String(SITE_DOWN_MS),
  REPRISE_MIRROR_WAIT_MS: '20000',
};
const TETHER = join(import.meta.dirname, '..', '..', 'scripts', 'stack', 'tether.ts');
const READY_MS = 60_000;

/** Every other place prefers the second site. */
function sitesEnv({ sites, sitesSetting }: Stack, index: number): Readonly<Record<string, string>> {
  if (sites.length === 1) return {};
  const names = sites.map(({ name }) => name);
  const order = index % 2 === 0 ? names : names.toReversed();
  return { REPRISE_SITES: sitesSetting, REPRISE_SITES_ORDER: order.join() };
}

export interface FleetOptions {
  readonly stack: Stack;
  readonly topics: readonly string[];
  readonly apiKey: string;
  readonly logDir: string;
  readonly size: number;
  /** libfaketime; null = its instances' clocks cannot be moved. */
  readonly fakeTime: string | null;
  readonly timeline: Timeline;
}

/** One place of the fleet. */
export interface Place {
  readonly index: number;
  /** Holds how far the clock of its processes is off. */
  readonly clockFile: string;
  /** Its way to the database. */
  readonly link: Link;
  instance: Instance | null;
  lives: number;
  /** SIGSTOPped now. */
  asleep: boolean;
}

export class Fleet {
  readonly places: readonly Place[];
  /** Instances that ended without being asked to. */
  readonly selfEnded: string[] = [];
  readonly #options: FleetOptions;
  readonly #asked = new WeakSet<Instance>();
  #closed = false;

  private constructor(options: FleetOptions, links: readonly Link[]) {
    this.#options = options;
    mkdirSync(options.logDir, { recursive: true });
    this.places = links.map((link, index) => ({
      index,
      clockFile: join(options.logDir, `i${index}.clock`),
      link,
      instance: null,
      lives: 0,
      asleep: false,
    }));
    for (const { clockFile } of this.places) setClock(clockFile, 0);
  }

  static async open(options: FleetOptions): Promise<Fleet> {
    const { databaseUrl } = options.stack;
    const links = Array.from({ length: options.size }, () => Link.open(databaseUrl));
    return new Fleet(options, await Promise.all(links));
  }

  get hasClocks(): boolean {
    return this.#options.fakeTime !== null;
  }

  /** Those that may be asked something; a sleeping one does not answer. */
  get awake(): readonly Instance[] {
    return this.places.flatMap(({ instance, asleep }) => (instance && !asleep ? [instance] : []));
  }

  /** A fresh process at this place; resolves when it is ready, or after a while when it cannot be yet. */
  async launch(place: Place): Promise<void> {
    if (this.#closed) return;
    const { stack, topics, apiKey, logDir, fakeTime, timeline } = this.#options;
    place.lives += 1;
    const instance = new Instance({
      name: `i${place.index}-${place.lives}`,
      port: await nextPort(),
      apiKey,
      databaseUrl: place.link.urlOf(stack.databaseUrl),
      brokers: stack.brokers,
      topics,
      logDir,
      nodeArgs: ['--import', TETHER],
      env: {
        ...ENV,
        ...sitesEnv(stack, place.index),
        ...(fakeTime === null ? {} : fakeTimeEnv(fakeTime, place.clockFile)),
        REPRISE_TETHER: String(process.pid),
      },
    });
    place.instance = instance;
    void instance.exited.then((code) => {
      if (this.#asked.has(instance)) return;
      this.selfEnded.push(`${instance.name} ended by itself with ${code}`);
      timeline.note('an instance ended by itself', { instance: instance.name, code });
      if (place.instance === instance) place.instance = null;
    });
    const isReady = stack.sites.length === 1 ? instance.ready(READY_MS) : instance.answers(READY_MS);
    await isReady.catch((error: unknown) => {
      timeline.note('an instance was not ready in time', {
        instance: instance.name,
        why: String(error).slice(0, 200),
      });
    });
  }

  async kill(place: Place): Promise<void> {
    const instance = this.#take(place);
    await instance?.kill();
  }

  /** SIGTERM; resolves with the exit code. One that does not end in time is killed and tells 'hung'. */
  async stop(place: Place): Promise<number | string> {
    const instance = this.#take(place);
    if (!instance) return 'gone';
    const code = await Promise.race([instance.stop(), sleep(STOP_MS + 20_000, 'hung', { ref: false })]);
    if (code === 'hung') await instance.kill();
    return code;
  }

  /** SIGSTOP for `ms`. Should we die meanwhile, a shell still wakes it, so that its tether can end it. */
  async sleep(place: Place, ms: number): Promise<void> {
    const { instance } = place;
    if (!instance) return;
    const alarm = `sleep ${Math.ceil(ms / 1_000) + 5}; kill -CONT ${instance.pid}`;
    spawn('sh', ['-c', alarm], { detached: true, stdio: 'ignore' }).unref();
    place.asleep = true;
    instance.signal('SIGSTOP');
    await sleep(ms);
    instance.signal('SIGCONT');
    place.asleep = false;
  }

  /** Ends all at once. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.places.map((place) => this.kill(place)));
    for (const { link } of this.places) link.close();
  }

  #take(place: Place): Instance | null {
    const { instance } = place;
    if (instance) this.#asked.add(instance);
    place.instance = null;
    place.asleep = false;
    return instance;
  }
}
