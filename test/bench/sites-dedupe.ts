// What dedupe remembers of each event, alone and in union mode, where every event is at both sites or at one alone.
// In this process, after a collection: arrays and heap together.

import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SitesSeen } from '../../src/actors/sites-seen.ts';
import { DedupeMemory } from '../../src/domain/dedupe-memory.ts';
import { asSourceName } from '../../src/domain/ids.ts';
import { fixed, table } from './figures.ts';

const EVENTS = 1_000_000;
const NO_LIMIT = 100_000_000;
const HERE = asSourceName('dc1/delivery_log');
const THERE = asSourceName('dc2/delivery_log');

interface Measured {
  readonly bytes: number;
  readonly micros: number;
}

export function dedupeMemory(): string {
  const identities = Array.from({ length: EVENTS }, (_, n) =>
    createHash('sha256').update(String(n)).digest().subarray(0, 16).toString('base64url'),
  );
  const memory = measured(() => {
    const known = new DedupeMemory(NO_LIMIT);
    for (const identity of identities) known.add(identity);
    return known;
  });
  const both = measured(() => {
    const seen = new SitesSeen(NO_LIMIT);
    for (const source of [HERE, THERE]) for (const identity of identities) seen.see({ source, identity });
    return seen;
  });
  const alone = measured(() => {
    const seen = new SitesSeen(NO_LIMIT);
    for (const identity of identities) seen.see({ source: HERE, identity });
    return seen;
  });
  const row = (name: string, parts: readonly Measured[]): string[] => [
    name,
    fixed(parts.reduce((sum, { bytes }) => sum + bytes, 0) / EVENTS, 1),
    fixed(parts.reduce((sum, { micros }) => sum + micros, 0) / EVENTS, 2),
  ];
  return [
    `## Dedupe memory of ${fixed(EVENTS)} events`,
    table([
      ['', 'bytes per event', 'µs per event'],
      row('failover', [memory]),
      row('union, every event at one site', [memory, alone]),
      row('union, every event at both sites', [memory, both]),
    ]),
  ].join('\n\n');
}

function measured(fill: () => object): Measured {
  const before = heldBytes();
  const startedMs = performance.now();
  const kept = [fill()];
  const micros = (performance.now() - startedMs) * 1_000;
  const bytes = heldBytes() - before;
  // Not before the measurement.
  kept.pop();
  return { bytes, micros };
}

function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // What the first one freed outside of the heap is given back beside it; the second one waits for that.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
