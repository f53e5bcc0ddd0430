// Sending signed events of 1,000 bytes: Reprise's delivery beside other senders, each a process of its own, to a
// receiver in Go on loopback that answers at once or after 20 ms. In each round all take their turn, the order rotates,
// and what a process needs to begin (one event, sent by the same program) is measured too and taken off. A sender whose
// events did not all come, or with a wrong signature, fails the bench. Reprise is fed from memory and its store is one
// in memory that keeps nothing (peers/deliver/memory-run.ts); reading and MySQL are other benches' business.
//   npm run bench -- deliver [--rounds 3] [--only reprise,fetch] [--events 100000]

import { availableParallelism, loadavg } from 'node:os';
import { deliverCommands, deliverTable } from './deliver-report.ts';
import type { SenderFigures } from './deliver-report.ts';
import { GoReceiver, SENDERS } from './deliver-peers.ts';
import type { Sender } from './deliver-peers.ts';
import { fixed, median } from './figures.ts';
import { Busyness } from './machine.ts';
import { measuredRun } from './measured-run.ts';
import type { MeasuredRun } from './measured-run.ts';
import { chosen, readOptions, wholeNumber } from './options.ts';
import type { Rig } from './rig.ts';

const EVENTS = 100_000;

/** Enough connections that a delay does not leave the sender idle. */
const CASES = [
  { delayMs: 0, connections: 64 },
  { delayMs: 20, connections: 512 },
] as const;
type Case = (typeof CASES)[number];

interface Sample {
  readonly start: MeasuredRun;
  readonly run: MeasuredRun;
  readonly foreignShare: number;
}

export async function deliver(_rig: Rig, say: (line: string) => void): Promise<void> {
  const { rounds, only, events = String(EVENTS) } = readOptions();
  const ids = chosen(
    only,
    SENDERS.map(({ id }) => id),
  );
  const senders = SENDERS.filter(({ id }) => ids.includes(id));
  const wanted = wholeNumber(events);
  say(deliverCommands(senders, (sender) => eventsOf(sender, wanted), CASES[0].connections));
  for (const each of CASES) {
    const receiver = await GoReceiver.start(each.delayMs);
    try {
      const samples = new Map<Sender, Sample[]>(senders.map((sender) => [sender, []]));
      for (let round = 0; round < wholeNumber(rounds); round++) {
        const turn = round % senders.length;
        for (const sender of [...senders.slice(turn), ...senders.slice(0, turn)]) {
          const sample = await sendOnce(sender, receiver, each, eventsOf(sender, wanted));
          samples.get(sender)?.push(sample);
        }
        say(`${each.delayMs} ms, round ${round + 1} done; load ${fixed(loadavg()[0] ?? NaN, 1)}`);
      }
      const figures = senders.map((sender) =>
        figuresOf(sender, samples.get(sender) ?? [], eventsOf(sender, wanted)),
      );
      say(deliverTable(figures, each));
    } finally {
      receiver.close();
    }
  }
}

const eventsOf = ({ share }: Sender, events: number): number => Math.ceil(events * share);

async function sendOnce(
  sender: Sender,
  receiver: GoReceiver,
  { connections }: Case,
  events: number,
): Promise<Sample> {
  const send = async (count: number): Promise<MeasuredRun> => {
    const run = await measuredRun(sender.command(receiver.url, count, connections));
    const came = await receiver.came();
    const { accepted } = JSON.parse(run.out) as { accepted: number };
    if (accepted !== count || came.events !== count || came.checked === 0 || came.broken > 0) {
      throw new Error(`${sender.id} sent ${accepted} of ${count}; there came ${JSON.stringify(came)}`);
    }
    return run;
  };
  const start = await send(1);
  const busy = new Busyness([receiver.pid, process.pid]);
  const run = await send(events);
  const others = busy.foreignShare - run.cpuMs / busy.elapsedMs / availableParallelism();
  return { start, run, foreignShare: Math.max(0, others) };
}

function figuresOf(sender: Sender, samples: readonly Sample[], events: number): SenderFigures {
  const startMs = median(samples.map(({ start }) => start.wallMs));
  const startCpuMs = median(samples.map(({ start }) => start.cpuMs));
  return {
    sender,
    rates: samples.map(({ run }) => (events * 1_000) / (run.wallMs - startMs)),
    cpuMicros: samples.map(({ run }) => ((run.cpuMs - startCpuMs) * 1_000) / events),
    peaksMib: samples.map(({ run }) => run.peakMib),
    foreignShares: samples.map(({ foreignShare }) => foreignShare),
  };
}
