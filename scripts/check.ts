// npm run check: types, lint, format, architecture, generated files. All are run, also after one has failed, so
// that one look shows everything.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const BIN = join(ROOT, 'node_modules', '.bin');

type Check = readonly [name: string, command: readonly [string, ...string[]]];

const CHECKS: readonly Check[] = [
  ['types', ['tsc', '--project', '.']],
  ['lint', ['eslint', '.']],
  ['format', ['prettier', '--check', '--log-level', 'warn', '.']],
  ['architecture', ['vitest', 'run', 'test/unit/architecture', '--reporter=dot']],
  ['generated files', ['node', join(ROOT, 'scripts', 'generate.ts'), '--check']],
];

/** Runs one of the repository's tools; resolves with its exit code. */
export async function run(name: string, [command, ...args]: readonly [string, ...string[]]): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(join(BIN, command), args, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${BIN}:${process.env['PATH'] ?? ''}` },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  return code ?? 1;
}

if (import.meta.main) {
  let failed = 0;
  for (const [name, command] of CHECKS) if ((await run(name, command)) !== 0) failed++;
  process.exit(failed === 0 ? 0 : 1);
}
