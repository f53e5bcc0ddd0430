// Runs the checker of manifests (a Python program that shares no code with the product) on what a receiver took.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = join(import.meta.dirname, '../../examples/manifest-check/check_manifest.py');

/** A line of the receiver's list; see the program. */
export interface TakenLine {
  readonly id: string;
  readonly time?: string;
  readonly job?: string;
}

export interface Verdict {
  readonly exit: number;
  readonly said: string;
}

export async function checkManifest(
  pages: readonly unknown[],
  received: readonly unknown[],
): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), 'reprise-manifest-'));
  try {
    const paths = pages.map((page, index) => {
      const path = join(folder, `page-${index}.json`);
      writeFileSync(path, JSON.stringify(page));
      return path;
    });
    const list = join(folder, 'received.jsonl');
    writeFileSync(list, received.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return await runChecker([...paths, list]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function runChecker(args: readonly string[]): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    execFile('python3', [PROGRAM, ...args], (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') reject(new Error('python3 is not installed: apt-get install python3'));
      else resolve({ exit: error ? Number(error.code) : 0, said: stdout + stderr });
    });
  });
}
