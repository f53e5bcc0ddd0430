// One peer as a process of its own that sends until the receiver has all that was wanted, and is ended then. What it
// needs to begin is no part of its figures: they are taken from the first arrivals on.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Arrived, FastReceiver } from './fast-receiver.ts';
import { cpuMicros, residentMib } from './process-watch.ts';
import type { ReplayPeer, Sending } from './replay-peers.ts';

const LOOK_MS = 20;
/** Joining a consumer group takes some seconds at most. */
const BEGIN_MS = 60_000;
/** Nothing came for so long: what is missing is lost. */
const SILENT_MS = 15_000;
/** What is sent twice comes soon after. */
const LINGER_MS = 1_000;

/** What one replay cost, and what arrived of it. */
export interface ReplayRun {
  readonly wanted: number;
  readonly arrived: Arrived;
  readonly perSecond: number;
  /** Per delivered event. */
  readonly cpuMicros: number;
  readonly peakMib: number;
}

const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

interface Look {
  readonly atMs: number;
  readonly arrived: Arrived;
  readonly cpuMicros: number;
}

export async function runPeer(
  peer: ReplayPeer,
  sending: Sending,
  receiver: FastReceiver,
  wanted: number,
): Promise<ReplayRun> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...peer.command(sending)], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...peer.env(sending) },
  });
  running.add(child);
  const gone = once(child, 'exit');
  try {
    const { first, last } = await untilSent(child, receiver, wanted);
    const peakMib = residentMib(pidOf(child), 'VmHWM');
    await pause(LINGER_MS);
    const events = last.arrived.events - first.arrived.events;
    return {
      wanted,
      arrived: await receiver.arrived(),
      perSecond: (events * 1_000) / (last.atMs - first.atMs),
      cpuMicros: (last.cpuMicros - first.cpuMicros) / events,
      peakMib,
    };
  } finally {
    child.kill('SIGKILL');
    await gone;
    running.delete(child);
  }
}

async function untilSent(
  child: ChildProcess,
  receiver: FastReceiver,
  wanted: number,
): Promise<{ readonly first: Look; readonly last: Look }> {
  const startedMs = performance.now();
  let first: Look | null = null;
  let moved: Look | null = null;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the peer ended with ${child.exitCode}`);
    const atMs = performance.now();
    const look = { atMs, arrived: await receiver.arrived(), cpuMicros: cpuMicros(pidOf(child)) };
    if (look.arrived.events > (moved?.arrived.events ?? 0)) moved = look;
    first ??= moved;
    if (!first || !moved) {
      if (atMs - startedMs > BEGIN_MS) throw new Error('the peer sends nothing');
    } else if (look.arrived.distinct >= wanted) return { first, last: look };
    else if (atMs - moved.atMs > SILENT_MS) return { first, last: moved };
    await pause(LOOK_MS);
  }
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('the peer did not start');
  return pid;
}
