// What the checker pronounces.

export interface Finding {
  readonly property: string;
  readonly what: string;
  /** How many things were looked at. */
  checked: number;
  readonly violations: string[];
}

export interface Verdict {
  readonly findings: readonly Finding[];
  readonly repeats: Repeats;
  readonly figures: Readonly<Record<string, number>>;
}

/** Of all replays together; `closest`: of those that lost an owner, the one that used most of what it may. */
export interface Repeats {
  seen: number;
  bound: number;
  unanswered: number;
  /** What REST admits as possible repeats; null = it does not tell. */
  maybe: number | null;
  closest: { readonly seen: number; readonly allowed: number };
}
