// npm run generate: writes every generated document. `--check` writes nothing and fails when one is out of date.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import prettier from 'prettier';
import { references } from './generate/references.ts';
import { stateMachines } from './generate/state-machines.ts';

const ROOT = join(import.meta.dirname, '..');

async function main(check: boolean): Promise<number> {
  const documents = [...(await references()), { path: 'docs/STATE-MACHINES.md', text: stateMachines() }];
  let stale = 0;
  for (const { path, text } of documents) {
    const file = join(ROOT, path);
    const options = await prettier.resolveConfig(file);
    const formatted = await prettier.format(text, { ...options, filepath: file });
    if (existsSync(file) && readFileSync(file, 'utf8') === formatted) continue;
    stale++;
    if (check) {
      console.error(`${path} is out of date: run npm run generate`);
      continue;
    }
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, formatted);
    console.log(`wrote ${path}`);
  }
  return check && stale > 0 ? 1 : 0;
}

process.exit(await main(process.argv.includes('--check')));
