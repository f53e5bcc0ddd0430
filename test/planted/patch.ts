// Unified diffs, read and applied without a tool that a machine may lack. Stricter than `patch`: no fuzz, and what
// a hunk replaces must be there exactly once. Line numbers are not asked, so unrelated edits do no harm.
// Any text before the first file is the author's.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface FilePatch {
  /** Relative to the root of the tree. */
  readonly path: string;
  readonly hunks: readonly Hunk[];
}

interface Hunk {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export function parsePatch(text: string): readonly FilePatch[] {
  const patches: { path: string; hunks: { before: string[]; after: string[] }[] }[] = [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (const [at, line] of lines.entries()) {
    const [, path] = /^\+\+\+ b\/(\S+)/.exec(line) ?? [];
    const hunks = patches.at(-1)?.hunks;
    if (path !== undefined) patches.push({ path, hunks: [] });
    else if (/^--- a\/\S+$/.test(line) && lines[at + 1]?.startsWith('+++ b/')) continue;
    else if (line.startsWith('@@ ')) hunks?.push({ before: [], after: [] });
    else {
      const hunk = hunks?.at(-1);
      if (!hunk) continue;
      const [mark, rest] = [line.charAt(0), line.slice(1)];
      if (!['', ' ', '-', '+'].includes(mark)) throw new Error(`no line of a hunk: ${line}`);
      if (mark !== '+') hunk.before.push(rest);
      if (mark !== '-') hunk.after.push(rest);
    }
  }
  if (patches.length === 0 || patches.some(({ hunks }) => hunks.length === 0)) throw new Error('no hunks');
  return patches;
}

/** The text with all hunks applied; throws when one does not fit, or fits in several places. */
export function patched(text: string, { path, hunks }: FilePatch): string {
  let lines = text.split('\n');
  for (const { before, after } of hunks) {
    const places = lines.flatMap((_, at) => (before.every((line, n) => lines[at + n] === line) ? [at] : []));
    const [at] = places;
    if (at === undefined || places.length > 1) {
      const where = places.length > 1 ? `fits ${path} in ${places.length} places` : `no longer fits ${path}`;
      throw new Error(`a hunk ${where}:\n${before.join('\n')}`);
    }
    lines = lines.toSpliced(at, before.length, ...after);
  }
  return lines.join('\n');
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
