// The planted bugs stay those of the present tree: every patch applies, to src alone, and every test that is
// named for it is there. That the tests catch them is what `npm run planted` proves.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BUGS, patchFile, patchOf } from '../../planted/bugs.ts';
import { parsePatch, patched } from '../../planted/patch.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('the planted bugs', () => {
  it('are the ten that must be caught, each with its patch', () => {
    const names = BUGS.map(({ name }) => name);
    const patches = readdirSync(join(ROOT, 'test', 'planted')).filter((file) => file.endsWith('.patch'));
    expect(patches.map((file) => basename(file, '.patch')).sort()).toEqual(names.toSorted());
    expect(new Set(names)).toHaveLength(10);
  });

  it.each(BUGS)('$name applies to the present tree, and to src alone', (bug) => {
    expect(existsSync(patchFile(bug.name))).toBe(true);
    for (const patch of patchOf(bug)) {
      expect(patch.path).toMatch(/^src\/[\w/-]+\.ts$/);
      const text = read(patch.path);
      expect(patched(text, patch)).not.toBe(text);
    }
  });

  it.each(BUGS)('$name has tests that catch it, and tests that it spares', ({ caughtBy, spares }) => {
    expect(Math.min(caughtBy.length, spares.length)).toBeGreaterThan(0);
    for (const { file, title } of [...caughtBy, ...spares]) expect(read(file)).toContain(`'${title}'`);
  });
});

describe('a patch', () => {
  const patch = [
    'What it does.',
    '',
    '--- a/src/x.ts',
    '+++ b/src/x.ts',
    '@@ -2,2 +2,2 @@',
    ' b',
    '-c',
    '+d',
    '',
  ];
  const [file] = parsePatch(patch.join('\n'));
  if (!file) throw new Error('no file');

  it('changes what it names, wherever that is by now', () => {
    expect(patched('a\nb\nc\n', file)).toBe('a\nb\nd\n');
    expect(patched('new\na\nb\nc\ne', file)).toBe('new\na\nb\nd\ne');
  });

  it('is refused when its lines are gone', () => {
    expect(() => patched('a\nb\nX\n', file)).toThrow('no longer fits src/x.ts');
  });

  it('without a change is none', () => {
    expect(() => parsePatch('words')).toThrow('no hunks');
    expect(() => parsePatch('--- a/src/x.ts\n+++ b/src/x.ts\n')).toThrow('no hunks');
  });
});
