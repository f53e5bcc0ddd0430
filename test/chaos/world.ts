// What all parts of a run share: the stack, the instances, the receivers, the seed, and the moment when it ends.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../../scripts/stack/stack.ts';
import type { Exit } from './exits.ts';
import type { Fleet } from './fleet.ts';
import type { Ledger } from './ledger.ts';
import type { LogPlace } from './log-production.ts';
import type { Random } from './random.ts';
import { Rest } from './rest.ts';
import type { SiteLoss } from './site-faults.ts';
import type { Target } from './target.ts';
import type { Timeline } from './timeline.ts';

/** With rests as of one site, 90 s met 3 losses in 16 replays, and one switch. */
const CALMER = 3;

export interface WorldParts {
  readonly stack: Stack;
  readonly fleet: Fleet;
  readonly apiKey: string;
  readonly targets: readonly Target[];
  readonly ledger: Ledger;
  readonly places: readonly LogPlace[];
  readonly random: Random;
  readonly timeline: Timeline;
}

export class World {
  readonly stack: Stack;
  readonly fleet: Fleet;
  readonly targets: readonly Target[];
  readonly ledger: Ledger;
  /** Where live production goes. */
  readonly places: readonly LogPlace[];
  /** Of sites. */
  readonly losses: SiteLoss[] = [];
  readonly random: Random;
  readonly timeline: Timeline;
  /** Of instances that were asked to stop. */
  readonly exits: Exit[] = [];
  readonly #apiKey: string;
  readonly #end = new AbortController();

  constructor(parts: WorldParts) {
    this.stack = parts.stack;
    this.fleet = parts.fleet;
    this.targets = parts.targets;
    this.ledger = parts.ledger;
    this.places = parts.places;
    this.random = parts.random;
    this.timeline = parts.timeline;
    this.#apiKey = parts.apiKey;
  }

  /** A client of the REST API; the choices of its instances are a stream of their own. */
  client(name: string): Rest {
    return new Rest(this.fleet, this.#apiKey, this.random.fork(`client ${name}`));
  }

  /** No new fault begins any more; every lane mends what it broke and ends. */
  end(): void {
    this.#end.abort();
  }

  get isEnding(): boolean {
    return this.#end.signal.aborted;
  }

  /** Before a fault that is not a site's. Those last longer than others, and what they do must not be drowned. */
  async rest(ms: number): Promise<void> {
    await this.pause(this.stack.sites.length > 1 ? ms * CALMER : ms);
  }

  /** Waits, but not beyond the end. */
  async pause(ms: number): Promise<void> {
    if (this.isEnding || ms <= 0) return;
    await sleep(ms, undefined, { signal: this.#end.signal }).catch(() => undefined);
  }
}
