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

/** Of all replays together; `closest`: the one that used most of what it may. */
export interface Repeats {
  seen: number;
  bound: number;
  unanswered: number;
  closest: { readonly seen: number; readonly allowed: number };
}
