// The REST API as a client has it whose instances come and go: any instance may be asked, any may not answer.

import type { Fleet } from './fleet.ts';
import type { Random } from './random.ts';

export interface RestAnswer {
  readonly status: number;
  readonly body: unknown;
  /** The instance that answered. */
  readonly from: string;
}

export interface GapAnswer {
  readonly source: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly filledBy?: string | null;
}

/** What REST tells of a replay, as far as the chaos reads it. */
export interface ReplayAnswer {
  readonly id: string;
  readonly webhookId: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly from: string;
  readonly to: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly cut: Readonly<Record<string, unknown>>;
  readonly fence: number;
  readonly duplicateBound: number;
  readonly wanted: string | null;
  readonly pauseReason: string | null;
  readonly failReason: string | null;
  readonly owner: string | null;
  readonly reclaims: number;
  readonly site: string | null;
  readonly partition: number | null;
  readonly pins: readonly { readonly source: string; readonly start: string; readonly end: string | null }[];
  readonly gaps: readonly GapAnswer[];
  readonly limits: { readonly maxRate: number | null; readonly concurrency: number | null };
  readonly version: number;
}

interface PageAnswer<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

const TIMEOUT_MS = 4_000;

export class Rest {
  readonly #fleet: Fleet;
  readonly #apiKey: string;
  readonly #random: Random;

  constructor(fleet: Fleet, apiKey: string, random: Random) {
    this.#fleet = fleet;
    this.#apiKey = apiKey;
    this.#random = random;
  }

  /** Asks a random instance (not `except`, if there is another); null = no answer, whatever was done. */
  async ask(method: string, path: string, body?: unknown, except?: string): Promise<RestAnswer | null> {
    const all = this.#fleet.awake;
    const others = all.filter(({ name }) => name !== except);
    const choice = others.length > 0 ? others : all;
    if (choice.length === 0) return null;
    const instance = this.#random.pick(choice);
    try {
      const response = await fetch(`${instance.url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#apiKey}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return { status: response.status, body: await response.json(), from: instance.name };
    } catch {
      return null;
    }
  }

  /** Asks until it is answered with `status`; throws after a minute. */
  async insist<Answer>(method: string, path: string, status: number, body?: unknown): Promise<Answer> {
    let last: RestAnswer | null = null;
    for (const until = performance.now() + 60_000; performance.now() < until;) {
      last = await this.ask(method, path, body);
      if (last?.status === status) return last.body as Answer;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`${method} ${path} was not answered with ${status} but ${JSON.stringify(last)}`);
  }

  /** All pages of a list. */
  async all<Item>(path: string): Promise<readonly Item[]> {
    const items: Item[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: PageAnswer<Item> = await this.insist('GET', `${path}?limit=100${more}`, 200);
      items.push(...page.items);
      cursor = page.nextCursor;
    }
    return items;
  }
}
