// Builds the WebAssembly of the fast record scanner from its AssemblyScript. The result is committed: `npm start`
// then needs no compiler, also where only the production packages are installed. The compiler is itself
// WebAssembly and pinned, so it makes the same bytes on every machine, and `npm run check` sees any drift.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const SOURCE = 'src/kafka/wasm/scanner.ts';
/** Pages of 64 KiB up to MEMORY_END of layout.ts, from the beginning and for good. */
const PAGES = '326';
const OPTIONS = [
  '-O3',
  '--noAssert',
  '--runtime',
  'stub',
  '--enable',
  'simd',
  '--initialMemory',
  PAGES,
  '--maximumMemory',
  PAGES,
];

export async function wasmScanner(): Promise<{ readonly path: string; readonly bytes: Buffer }> {
  const compiler = join(ROOT, 'node_modules', 'assemblyscript', 'bin', 'asc.js');
  if (!existsSync(compiler)) throw new Error('assemblyscript is not installed: run npm ci');
  const folder = mkdtempSync(join(tmpdir(), 'reprise-wasm-'));
  try {
    const built = join(folder, 'scanner.wasm');
    const words = [compiler, SOURCE, ...OPTIONS, '--outFile', built];
    await promisify(execFile)(process.execPath, words, { cwd: ROOT });
    return { path: 'src/kafka/wasm/scanner.wasm', bytes: readFileSync(built) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
