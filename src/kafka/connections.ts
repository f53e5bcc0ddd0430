// The connections of one site that are open and idle. Connecting, learning the topic and opening the fetch
// socket take three round trips and some 20 ms of work, so what a reader gives back is kept for the next one.
// A connection belongs to one taker at a time. One that failed is never given back: see `discard`.

import { RepriseError } from '../domain/errors.ts';
import { sourceName } from '../domain/ids.ts';
import type { SourceName } from '../domain/ids.ts';
import { KafkaConnection } from './client.ts';
import type { SiteConfig } from './client.ts';
import { Door } from './door.ts';

/** Each idle one is two sockets; more than this only serves bursts. */
const MAX_IDLE = 4;

/** A question takes a few ms and a new connection tens, of CPU time too: it waits so long for one to come back. */
const PATIENCE_MS = 50;

/**
 * `idle`: one that is open, if there is. `new`: to learn how things are now. `after_failure`: a new one, and the
 * idle ones are thrown away, because what broke one connection mostly broke all, or moved their leaders.
 */
export type TakeFrom = 'idle' | 'new' | 'after_failure';

export class Connections {
  readonly site: SiteConfig;
  readonly #door: Door;
  readonly #idle: KafkaConnection[] = [];
  readonly #closing = new Set<Promise<void>>();
  /** Questions that wait for a connection to come back, and how many are being asked. */
  readonly #waiting: ((connection: KafkaConnection) => void)[] = [];
  #asking = 0;
  #closed = false;

  constructor(site: SiteConfig) {
    this.site = site;
    this.#door = new Door(site);
  }

  take(from: TakeFrom): KafkaConnection {
    if (from === 'after_failure') for (const idle of this.#idle.splice(0)) this.discard(idle);
    const idle = from === 'idle' ? this.#idle.pop() : undefined;
    return idle ?? new KafkaConnection(this.site, this.#door);
  }

  give(connection: KafkaConnection): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(connection);
    else if (this.#closed || this.#idle.length >= MAX_IDLE) this.discard(connection);
    else this.#idle.push(connection);
  }

  /** Ends it behind the caller's back: a disconnect waits for what is in flight. */
  discard(connection: KafkaConnection): void {
    const closing = connection.close().catch(() => undefined);
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }

  /** Runs `work` on a connection that knows `topic`. */
  async use<T>(topic: string, from: TakeFrom, work: (to: KafkaConnection, partitions: number) => Promise<T>) {
    const connection = (from === 'idle' && (await this.#comingBack())) || this.take(from);
    this.#asking++;
    try {
      const partitions = await connection.open(topic);
      const result: T = await work(connection, partitions);
      this.give(connection);
      return result;
    } catch (error) {
      this.discard(connection);
      throw error;
    } finally {
      this.#asking--;
    }
  }

  /** One that another question has done with; null when there is no reason to wait, or it was in vain. */
  async #comingBack(): Promise<KafkaConnection | null> {
    if (this.#idle.length > 0 || this.#asking === 0) return null;
    return await new Promise((resolve) => {
      const answer = (connection: KafkaConnection | null): void => {
        clearTimeout(timer);
        resolve(connection);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(answer), 1);
        resolve(null);
      }, PATIENCE_MS);
      this.#waiting.push(answer);
    });
  }

  /**
   * Opens connections up to `count`, fetch sockets included, so that the first reading begins at once. Never rejects:
   * it is only a head start, who finds none opens his own.
   */
  async warm(count: number): Promise<void> {
    const [topic] = this.site.topics;
    if (topic === undefined) return;
    const opening = Array.from({ length: Math.max(0, count - this.#idle.length) }, () =>
      this.use(topic, 'new', (connection) =>
        connection.fetch({
          topic,
          partition: 0,
          offset: 0,
          maxBytes: 1,
          maxWaitMs: 0,
          isolation: 'uncommitted',
        }),
      ),
    );
    await Promise.all(opening).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const idle of this.#idle.splice(0)) this.discard(idle);
    await Promise.all(this.#closing);
  }
}

/** Those of the site that has the source. Throws RepriseError log_unusable. */
export function connectionsOf(sites: readonly Connections[], source: SourceName): Connections {
  const found = sites.find(({ site }) =>
    site.topics.some((topic) => sourceName(site.name, topic) === source),
  );
  if (found) return found;
  throw new RepriseError('log_unusable', `no site is configured for the source ${source}`);
}
