// What the checker pronounces, and on what.

export const PROPERTIES = {
  P1: 'every event at least once',
  P2: 'nothing foreign, out of range or altered',
  P3: 'repeats within the stated bound',
  P4: 'one terminal transition, after the last event',
  P5: 'no lost and no stuck replay',
  P6: 'histories legal, gapless, and as REST shows them',
  P7: 'nothing of a fence after the next one',
  P8: 'order where promised (no strict replay in these runs)',
  P9: 'one active replay per webhook',
  P12: 'a clean stop leaves no lease',
  P13: 'minutes that the ledger proved done not sent again (several sites)',
} as const;
export type Property = keyof typeof PROPERTIES;
export type Look = (property: Property, count?: number) => void;
export type Blame = (property: Property, text: string) => void;

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
