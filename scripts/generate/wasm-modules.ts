// Builds the WebAssembly of the fast record scanner, of the identities and of the JSON check from their AssemblyScript. The results are
// committed: `npm start` then needs no compiler, also where only the production packages are installed. The compiler
// is itself WebAssembly and pinned, so it makes the same bytes on every machine, and `npm run check` sees any drift.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd'];
/** Pages of 64 KiB up to MEMORY_END of layout.ts, from the beginning and for good. */
const SCANNER_PAGES = 326;
const IDENTITY_PAGES = 2;
/** INPUT and MAX_INPUT of json.ts, and the zeros behind it. */
const JSON_PAGES = 18;

export async function scanModules(): Promise<{ readonly path: string; readonly bytes: Buffer }[]> {
  const scanner = await compiled('src/kafka/wasm/scanner.ts', SCANNER_PAGES);
  const identity = await compiled('src/kafka/wasm/identity.ts', IDENTITY_PAGES);
  return [
    { path: 'src/kafka/wasm/scanner.wasm', bytes: scanner },
    { path: 'src/kafka/wasm/identity.wasm', bytes: identity },
  ];
}

/** As text: the domain reads no files. */
export async function jsonModule(): Promise<{ readonly path: string; readonly text: string }> {
  const bytes = await compiled('src/domain/wasm/json.ts', JSON_PAGES);
  const says =
    '// Built of wasm/json.ts by `npm run generate`: its WebAssembly in base64. Not written by hand.';
  const text = `${says}\n\nexport const JSON_MODULE =\n  '${bytes.toString('base64')}';\n`;
  return { path: 'src/domain/json-module.ts', text };
}

async function compiled(source: string, pages: number): Promise<Buffer> {
  const compiler = join(ROOT, 'node_modules', 'assemblyscript', 'bin', 'asc.js');
  if (!existsSync(compiler)) throw new Error('assemblyscript is not installed: run npm ci');
  const folder = mkdtempSync(join(tmpdir(), 'reprise-wasm-'));
  try {
    const built = join(folder, 'built.wasm');
    const memory = ['--initialMemory', String(pages), '--maximumMemory', String(pages)];
    const words = [compiler, source, ...OPTIONS, ...memory, '--outFile', built];
    await promisify(execFile)(process.execPath, words, { cwd: ROOT });
    return readFileSync(built);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
