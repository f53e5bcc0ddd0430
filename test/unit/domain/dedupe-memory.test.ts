// The dedupe memory against a plain Set, its bound, and its cost per entry.

import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DedupeMemory } from '../../../src/domain/dedupe-memory.ts';

const identity = (name: string): string => hash('sha256', name, 'base64url').slice(0, 22);

describe('the dedupe memory', () => {
  it('answers like a set', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 2_000 }), (names) => {
        const memory = new DedupeMemory(100_000);
        const set = new Set<string>();
        for (const name of names) {
          const id = identity(`e${name}`);
          expect(memory.add(id)).toBe(!set.has(id));
          set.add(id);
          expect(memory.has(id)).toBe(true);
        }
        expect(memory.size).toBe(set.size);
      }),
      { numRuns: 30 },
    );
  });

  it('holds a hundred thousand and finds each again', () => {
    const memory = new DedupeMemory(1_000_000);
    for (let i = 0; i < 100_000; i++) expect(memory.add(identity(`a${i}`))).toBe(true);
    for (let i = 0; i < 100_000; i++) expect(memory.has(identity(`a${i}`))).toBe(true);
    for (let i = 0; i < 10_000; i++) expect(memory.has(identity(`b${i}`))).toBe(false);
    expect(memory.evicted).toBe(0);
  });

  it('forgets the older generation when it is full, counts that, and keeps the younger half', () => {
    const memory = new DedupeMemory(1_000);
    for (let i = 0; i < 5_000; i++) memory.add(identity(`a${i}`));
    expect(memory.size).toBeLessThanOrEqual(1_000);
    expect(memory.evicted + memory.size).toBe(5_000);
    for (let i = 4_500; i < 5_000; i++) expect(memory.has(identity(`a${i}`))).toBe(true);
    expect(memory.has(identity('a0'))).toBe(false);
  });

  it('takes an identity of zeros like any other', () => {
    const memory = new DedupeMemory(100);
    const zeros = 'A'.repeat(22);
    expect(memory.add(zeros)).toBe(true);
    expect(memory.add(zeros)).toBe(false);
  });

  it('refuses what is no identity', () => {
    expect(() => new DedupeMemory(10).add('short')).toThrow('22 base64url');
  });
});
