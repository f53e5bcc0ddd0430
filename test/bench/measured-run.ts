// One command as a process of its own, run to its end: how long it took, the CPU time of all its threads as the
// kernel counted it when the process ended, and the peak of its memory. Ends with the bench, and after a deadline.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { residentMib } from './process-watch.ts';

const DEADLINE_MS = 300_000;
/** The kernel keeps the peak; only what is taken after the last look is missed. */
const LOOK_MS = 20;

/**
 * bash's `time` reports what wait4 says of the child, to the millisecond: /proc is gone by then, and counts in 10 ms.
 * Descriptors: 3 = the times, 4 = the pid.
 */
const TIMED =
  'TIMEFORMAT="%3R %3U %3S"; exec 5>&2; ' +
  '{ time setpriv --pdeathsig KILL sh -c \'echo $$ >&4; exec "$@" 3>&- 4>&- 5>&-\' sh "$@" 2>&5; } 2>&3';

/** A reader must not outlive a killed bench: without its broker it would ask for ever. */
const TETHER = ['--pdeathsig', 'KILL'];

export interface MeasuredRun {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakMib: number;
  /** Standard output; empty when it was discarded. */
  readonly out: string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach(endGroup));

/** `discard`: its standard output is /dev/null. Throws when the command fails. */
export async function measuredRun(
  command: readonly string[],
  { discard = false }: { readonly discard?: boolean } = {},
): Promise<MeasuredRun> {
  const child = spawn('setpriv', [...TETHER, 'bash', '-c', TIMED, 'bash', ...command], {
    stdio: ['ignore', discard ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  running.add(child);
  const [, stdout, stderr, times, pids] = child.stdio.map(textOf);
  let peakMib = 0;
  const look = (): void => {
    try {
      peakMib = Math.max(peakMib, residentMib(Number(pids?.text), 'VmHWM'));
    } catch {
      // Not begun yet, or just ended.
    }
  };
  const looking = setInterval(look, LOOK_MS);
  const deadline = setTimeout(() => endGroup(child), DEADLINE_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(looking);
  clearTimeout(deadline);
  running.delete(child);
  const [wall = NaN, user = NaN, system = NaN] = (times?.text ?? '').trim().split(' ').map(Number);
  if (code !== 0 || Number.isNaN(wall + user + system)) {
    throw new Error(`${command.join(' ')} ended with ${String(code)}: ${stderr?.text.slice(-2_000) ?? ''}`);
  }
  return { wallMs: wall * 1_000, cpuMs: (user + system) * 1_000, peakMib, out: stdout?.text ?? '' };
}

function textOf(stream: ChildProcess['stdio'][number]): { text: string } {
  const collected = { text: '' };
  if (stream && 'read' in stream) {
    stream.setEncoding('utf8').on('data', (text: string) => (collected.text += text));
  }
  return collected;
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone.
  }
}
