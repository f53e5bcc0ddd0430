// The young space of a busy process and of its threads is bounded, in processes of their own: the flags are V8's, and
// another version may not heed them.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const SCRIPT = join(import.meta.dirname, 'heap-process.ts');

async function largest(how: 'bounded' | 'as V8 has it'): Promise<{ main: number; thread: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, how]);
  return JSON.parse(stdout) as { main: number; thread: number };
}

describe('the heap', () => {
  it('keeps the young space of the process and of its threads small', async () => {
    const { main, thread } = await largest('bounded');
    expect(main).toBeLessThanOrEqual(32);
    expect(thread).toBeLessThanOrEqual(8);
  });

  it('would have larger ones without', async () => {
    const { main, thread } = await largest('as V8 has it');
    expect(main).toBeGreaterThan(32);
    expect(thread).toBeGreaterThan(8);
  });
});
