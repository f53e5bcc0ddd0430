// What the benches that compare programs print of each: its command, its figures with their spread, beside Reprise's.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryDir } from '../../scripts/stack/paths.ts';
import { fixed, median } from './figures.ts';

export const spread = (values: readonly number[], digits: number): string =>
  `${fixed(median(values), digits)} (${fixed(Math.min(...values), digits)}-${fixed(Math.max(...values), digits)})`;

export const ratio = (values: readonly number[], own: readonly number[] | undefined): string =>
  own === undefined ? '-' : fixed(median(values) / median(own), 2);

/** As it can be typed in the repository. */
export const shownCommand = (words: readonly string[]): string =>
  words.map((word) => quoted(word.replaceAll(repositoryDir, '.'))).join(' ');

const quoted = (word: string): string => (/[*\\ ]/.test(word) ? `'${word}'` : word);

export function npmVersion(name: string): string {
  const text = readFileSync(join(repositoryDir, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
