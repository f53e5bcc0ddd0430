// What Linux says about a process: CPU time and resident memory, out of /proc. The peak is the kernel's own
// (VmHWM), so nothing between two samples is missed; the samples tell what it settles at.

import { readFileSync } from 'node:fs';
import { percentile } from './figures.ts';

/** USER_HZ; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const SAMPLE_MS = 100;
const KIB_PER_MIB = 1024;

/** User and system time of all threads so far, in microseconds. */
export function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command's name stands in parentheses and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND;
}

/** A line of /proc/PID/status, in MiB. */
export function residentMib(pid: number, line: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/status has no ${line}`);
  return Number(kib) / KIB_PER_MIB;
}

export interface Watched {
  readonly idleMib: number;
  readonly medianMib: number;
  readonly peakMib: number;
  readonly cpuMicros: number;
  readonly seconds: number;
}

/** Watches one process from now until `stop`. */
export class ProcessWatch {
  readonly #pid: number;
  readonly #startedMs = performance.now();
  readonly #cpuBefore: number;
  readonly #samples: number[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#pid = pid;
    this.#cpuBefore = cpuMicros(pid);
    this.#samples.push(residentMib(pid, 'VmRSS'));
    this.#timer = setInterval(() => this.#samples.push(residentMib(pid, 'VmRSS')), SAMPLE_MS);
  }

  stop(): Watched {
    clearInterval(this.#timer);
    return {
      idleMib: this.#samples[0] ?? NaN,
      medianMib: percentile(this.#samples, 0.5),
      peakMib: residentMib(this.#pid, 'VmHWM'),
      cpuMicros: cpuMicros(this.#pid) - this.#cpuBefore,
      seconds: (performance.now() - this.#startedMs) / 1_000,
    };
  }
}
