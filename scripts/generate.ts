// npm run generate: writes every generated file. `--check` writes nothing and fails when one is out of date.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import prettier from 'prettier';
import { references } from './generate/references.ts';
import { stateMachines } from './generate/state-machines.ts';
import { jsonModule, scanModules } from './generate/wasm-modules.ts';

const ROOT = join(import.meta.dirname, '..');

interface Generated {
  readonly path: string;
  readonly bytes: Buffer;
}

async function document({ path, text }: { path: string; text: string }): Promise<Generated> {
  const file = join(ROOT, path);
  const options = await prettier.resolveConfig(file);
  return { path, bytes: Buffer.from(await prettier.format(text, { ...options, filepath: file })) };
}

/** Writes what is out of date, or says so. */
function settle({ path, bytes }: Generated, check: boolean): 'stale' | 'current' {
  const file = join(ROOT, path);
  if (existsSync(file) && readFileSync(file).equals(bytes)) return 'current';
  if (check) {
    console.error(`${path} is out of date: run npm run generate`);
    return 'stale';
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  console.log(`wrote ${path}`);
  return 'stale';
}

async function main(check: boolean): Promise<number> {
  const machines = { path: 'docs/STATE-MACHINES.md', text: stateMachines() };
  const documents = [...(await references()), machines, await jsonModule()];
  let stale = 0;
  for (const text of documents) if (settle(await document(text), check) === 'stale') stale++;
  for (const module of await scanModules()) if (settle(module, check) === 'stale') stale++;
  return check && stale > 0 ? 1 : 0;
}

process.exit(await main(process.argv.includes('--check')));
