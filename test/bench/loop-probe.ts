// Loaded into a process (--import), and by it into each of its threads: how late the event loop is, sampled each
// millisecond, and how much CPU time of its own thread one turn of the loop took at most. Between the files
// PROBE.go and PROBE.stop; then each thread writes PROBE.<thread>.json.
// PROBE_SLICES=1 measures turns instead of delays: a chain of setImmediate, which makes every turn end at once.

import { existsSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';

const LOOK_MS = 20;
const LARGEST = 5;

export interface Probed {
  readonly thread: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** CPU time of the longest turns, largest first. */
  readonly turnsMs: readonly number[];
  readonly turns: number;
}

const file = process.env['PROBE'];
if (file !== undefined) probe(file, process.env['PROBE_SLICES'] === '1');

function probe(name: string, slices: boolean): void {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const largest: number[] = [];
  let turns = 0;
  let isOn = false;
  const cpuMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let lastMs = 0;
  const turn = (): void => {
    if (!isOn) return;
    const nowMs = cpuMs();
    turns++;
    largest.push(nowMs - lastMs);
    if (largest.length > 100) largest.sort((a, b) => b - a).splice(LARGEST);
    lastMs = nowMs;
    setImmediate(turn);
  };
  const timer = setInterval(() => {
    if (!isOn && existsSync(`${name}.go`)) {
      isOn = true;
      if (slices) {
        lastMs = cpuMs();
        turn();
      } else {
        delays.enable();
      }
    } else if (isOn && existsSync(`${name}.stop`)) {
      isOn = false;
      clearInterval(timer);
      delays.disable();
      const told: Probed = {
        thread: threadId,
        p50Ms: delays.percentile(50) / 1e6,
        p99Ms: delays.percentile(99) / 1e6,
        maxMs: delays.max / 1e6,
        turnsMs: largest.sort((a, b) => b - a).slice(0, LARGEST),
        turns,
      };
      writeFileSync(`${name}.${threadId}.json`, JSON.stringify(told));
    }
  }, LOOK_MS);
  timer.unref();
}
