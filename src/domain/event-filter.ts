// Which events of a range were asked for: the conditions of a request, made ready once and asked for each event.
// All must hold. Header names are Kafka's, compared byte by byte, case included; of several headers of one name any may
// hold. A pointer (RFC 6901) looks into a value that is one JSON text in UTF-8: any other value does not hold, nor does
// one without something there; of equal names in an object the last one counts, as JSON.parse has it.
// Refuses to know where headers come from, and to judge what a client may ask for (api/filters.ts).
// Invariants: a pure function of the record, so every reading of it, whoever reads, finds the same; never throws,
// whatever the value; it is parsed once at most, and not at all when a header has decided.

import { isUtf8 } from 'node:buffer';
import type { EventFilter, FilterValue } from './job.ts';

/** The headers of one record, where they lie. */
export interface EventHeaders {
  /** Whether `holds` is true for one of the headers with this name; a header without a value is none. */
  some(name: Buffer, holds: (value: Buffer) => boolean): boolean;
}

interface HeaderTest {
  readonly name: Buffer;
  readonly holds: (value: Buffer) => boolean;
}

interface ValueTest {
  readonly tokens: readonly string[];
  readonly holds: (found: unknown) => boolean;
}

/** What a pointer finds where nothing is: equal to no value. */
const NOTHING = Symbol('nothing');
const INDEX = /^(?:0|[1-9]\d*)$/;

export class FilterSet {
  readonly #headers: readonly HeaderTest[];
  readonly #values: readonly ValueTest[];

  private constructor(filters: readonly EventFilter[]) {
    this.#headers = filters.filter(({ where }) => where === 'header').map(headerTest);
    this.#values = filters.filter(({ where }) => where === 'value').map(valueTest);
  }

  /** null when nothing is asked: every event passes. */
  static of(filters: readonly EventFilter[]): FilterSet | null {
    return filters.length === 0 ? null : new FilterSet(filters);
  }

  passes(value: Buffer, headers: EventHeaders): boolean {
    for (const { name, holds } of this.#headers) if (!headers.some(name, holds)) return false;
    if (this.#values.length === 0) return true;
    const document = parsed(value);
    return this.#values.every(({ tokens, holds }) => holds(at(document, tokens)));
  }
}

/** The names on the way of a JSON pointer; null when it is none. */
export function tokensOf(pointer: string): readonly string[] | null {
  if (pointer === '') return [];
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return null;
  const names = pointer.slice(1).split('/');
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function headerTest({ path, op, values }: EventFilter): HeaderTest {
  const wanted = values.map((value) => Buffer.from(String(value), 'utf8'));
  const begins = (value: Buffer, with_: Buffer): boolean =>
    value.length >= with_.length && with_.compare(value, 0, with_.length) === 0;
  const test = op === 'prefix' ? begins : (value: Buffer, other: Buffer): boolean => value.equals(other);
  return {
    name: Buffer.from(path, 'utf8'),
    holds: (value) => wanted.some((each) => test(value, each)),
  };
}

function valueTest({ path, op, values }: EventFilter): ValueTest {
  const tokens = tokensOf(path);
  if (!tokens) throw new Error(`${path} is no JSON pointer`);
  if (op === 'prefix') {
    const prefixes = values.map(String);
    const begins = (found: unknown): boolean =>
      typeof found === 'string' && prefixes.some((prefix) => found.startsWith(prefix));
    return { tokens, holds: begins };
  }
  // A number equals a number: 1, 1.0 and 1e0 are one; "1" is none. What is no scalar equals nothing.
  const wanted = new Set<unknown>(values satisfies readonly FilterValue[]);
  return { tokens, holds: (found) => wanted.has(found) };
}

function parsed(value: Buffer): unknown {
  // JSON is UTF-8: a decoder would put signs of its own where it is not.
  if (!isUtf8(value)) return NOTHING;
  try {
    return JSON.parse(value.toString('utf8')) as unknown;
  } catch {
    return NOTHING;
  }
}

function at(document: unknown, tokens: readonly string[]): unknown {
  let found = document;
  for (const token of tokens) {
    if (typeof found !== 'object' || found === null) return NOTHING;
    if (Array.isArray(found)) {
      const index = INDEX.test(token) ? Number(token) : Infinity;
      if (index >= found.length) return NOTHING;
      found = found[index] as unknown;
    } else {
      if (!Object.hasOwn(found, token)) return NOTHING;
      found = (found as Readonly<Record<string, unknown>>)[token];
    }
  }
  return found;
}
