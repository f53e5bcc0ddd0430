// Whose records a shared scan looks for: the keys of all members without repeats, and who wants which. Times are
// the widest of all; each member refuses what is outside of its own range.

import { KeySet } from '../key-set.ts';
import type { Member } from './member.ts';

interface WantedRecords {
  readonly keys: KeySet;
  readonly fromMs: number;
  readonly toMs: number;
}

export class KeyTable {
  readonly #members: ReadonlySet<Member>;
  #wanted: WantedRecords | null = null;
  #byKey: readonly (readonly Member[])[] = [];

  constructor(members: ReadonlySet<Member>) {
    this.#members = members;
  }

  /** Somebody came or left. */
  changed(): void {
    this.#wanted = null;
  }

  get wanted(): WantedRecords {
    this.#wanted ??= this.#collect();
    return this.#wanted;
  }

  /** `key`: an index into the wanted keys. */
  membersOf(key: number): readonly Member[] {
    return this.#byKey[key] ?? [];
  }

  #collect(): WantedRecords {
    const byText = Map.groupBy(this.#members, ({ request }) => request.key);
    this.#byKey = [...byText.values()];
    const requests = [...this.#members].map(({ request }) => request);
    return {
      keys: new KeySet(this.#byKey.flatMap(([first]) => first?.key ?? [])),
      fromMs: Math.min(...requests.map(({ fromMs }) => fromMs)),
      toMs: Math.max(...requests.map(({ toMs }) => toMs)),
    };
  }
}
