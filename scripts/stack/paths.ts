// Where the embedded stack lives. Everything that is downloaded or started goes below `.reprise/`,
// the one git-ignored folder of the repository: deleting it returns the checkout to its fresh state.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const repositoryDir = resolve(import.meta.dirname, '../..');
export const repriseDir = join(repositoryDir, '.reprise');
export const libDir = join(repriseDir, 'lib');
export const pomFile = join(repositoryDir, 'stack', 'pom.xml');

/** Names that `.reprise/` uses itself. */
const RESERVED = new Set(['lib', 'locks', 'mysql-9.7']);

export function stackDir(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name) || RESERVED.has(name)) {
    throw new Error(`not a stack name: "${name}" (lower-case letters, digits and dashes)`);
  }
  return join(repriseDir, name);
}

export function sha256(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}

/** The text of a file, or undefined when there is none. */
export function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return undefined;
    }
    throw error;
  }
}
