// A lock between processes. The kernel holds it (flock of util-linux), so it ends with its holder:
// no stale lock files, no guessing by age. `cat` keeps it until our end of its stdin closes, which
// also happens when we are SIGKILLed.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { repriseDir } from './paths.ts';

export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const folder = join(repriseDir, 'locks');
  mkdirSync(folder, { recursive: true });
  // detached: Ctrl-C in a terminal must not release the lock while we still clean up.
  const holder = spawn('flock', [join(folder, name), 'sh', '-c', 'echo held; exec cat'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'exit');
  const held = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)]);
  if (!held) throw new Error(`could not take the lock "${name}": flock ended`);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
