// Union mode: which events were found at one site alone. Per event one entry for the site that it was seen at first,
// and one more once another site had it too: 27 to 54 bytes beside the dedupe memory's 27.

import { DedupeMemory } from '../domain/dedupe-memory.ts';
import { siteOf } from '../domain/ids.ts';
import type { LogEvent } from '../domain/log.ts';

export class SitesSeen {
  readonly #maxEntries: number;
  readonly #first = new Map<string, { readonly memory: DedupeMemory; alone: number }>();
  readonly #everywhere: DedupeMemory;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
    this.#everywhere = new DedupeMemory(maxEntries);
  }

  see({ source, identity }: Pick<LogEvent, 'source' | 'identity'>): void {
    if (this.#everywhere.has(identity)) return;
    const site = siteOf(source);
    const first = [...this.#first].find(([, { memory }]) => memory.has(identity));
    if (!first) {
      this.#at(site).memory.add(identity);
      this.#at(site).alone++;
    } else if (first[0] !== site) {
      this.#everywhere.add(identity);
      first[1].alone--;
    }
  }

  /** Events per site that no other site had, so far. */
  onlyIn(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#first].map(([site, { alone }]) => [site, alone]));
  }

  #at(site: string) {
    let seen = this.#first.get(site);
    if (!seen) this.#first.set(site, (seen = { memory: new DedupeMemory(this.#maxEntries), alone: 0 }));
    return seen;
  }
}
