// One row of the table of settings, and the words that rows are written in.

import { integer, type ValueKind } from './values.ts';

export interface Setting<Value> {
  readonly name: string;
  readonly kind: ValueKind<unknown>;
  readonly need: 'required' | 'optional' | 'default';
  /** Used when the setting is absent or empty; for `required` never. */
  readonly fallback: Value;
  readonly secret: boolean;
  readonly doc: string;
}

export function required<Value>(
  name: string,
  kind: ValueKind<Value>,
  doc: string,
  secret = false,
): Setting<Value> {
  return { name, kind, need: 'required', fallback: undefined as Value, secret, doc };
}

export function optional<Value>(name: string, kind: ValueKind<Value>, doc: string): Setting<Value | null> {
  return { name, kind, need: 'optional', fallback: null, secret: false, doc };
}

export function usually<Value>(
  name: string,
  kind: ValueKind<Value>,
  fallback: Value,
  doc: string,
): Setting<Value> {
  return { name, kind, need: 'default', fallback, secret: false, doc };
}

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const DAY_MS = 24 * 60 * MINUTE_MS;
export const MIB = 1024 * 1024;

/** A duration of `min` to `max` milliseconds. */
export const ms = (min: number, max: number): ValueKind<number> => integer(min, max, 'ms');
