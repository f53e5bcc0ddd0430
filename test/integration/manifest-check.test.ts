// The checker of manifests as its users run it: a Python program, given files, against its committed vectors.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkManifest, runChecker } from '../support/manifest-checker.ts';

interface Case {
  readonly name: string;
  readonly pages: readonly unknown[];
  readonly received: readonly unknown[];
  readonly exit: number;
  readonly says: string;
}

const VECTORS = new URL('../../examples/manifest-check/vectors.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { cases: Case[] };

describe('check_manifest.py', () => {
  it.each(cases)('$name', async ({ pages, received, exit, says }) => {
    const answer = await checkManifest(pages, received);
    expect(answer.said).toContain(says);
    expect(answer).toMatchObject({ exit });
  });

  it('says how it is used, and what it cannot read', async () => {
    const usage = await runChecker([]);
    expect(usage.said).toContain('usage:');
    const nowhere = await runChecker(['/nowhere', '/nowhere']);
    expect(nowhere.said).toContain('cannot be compared');
    expect([usage.exit, nowhere.exit]).toEqual([2, 2]);
  });
});
