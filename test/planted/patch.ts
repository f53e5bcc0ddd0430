// Unified diffs, read and applied by jsdiff, so that no tool is needed that a machine may lack. No fuzz: every line
// of a hunk's context must be there; line numbers may have moved. Any text before the first file is the author's.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyPatch as apply, parsePatch as parse } from 'diff';
import type { StructuredPatch } from 'diff';

export interface FilePatch {
  /** Relative to the root of the tree. */
  readonly path: string;
  readonly patch: StructuredPatch;
}

export function parsePatch(text: string): readonly FilePatch[] {
  const patches = parse(text).map((patch) => ({ path: patch.newFileName?.replace(/^b\//, '') ?? '', patch }));
  if (patches.length === 0 || patches.some(({ path, patch }) => path === '' || patch.hunks.length === 0)) {
    throw new Error('no hunks');
  }
  return patches;
}

/** The text with all hunks applied; throws when one does not fit. */
export function patched(text: string, { path, patch }: FilePatch): string {
  const changed = apply(text, patch, { fuzzFactor: 0 });
  if (changed === false) throw new Error(`a hunk no longer fits ${path}`);
  return changed;
}

/** Applies all files or none; answers how to take it back. */
export function applyPatch(root: string, patches: readonly FilePatch[]): () => void {
  const files = patches.map((patch) => {
    const file = join(root, patch.path);
    const text = readFileSync(file, 'utf8');
    return { file, text, changed: patched(text, patch) };
  });
  for (const { file, changed } of files) writeFileSync(file, changed);
  return () => {
    for (const { file, text } of files) writeFileSync(file, text);
  };
}
