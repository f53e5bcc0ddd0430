// How the time, the CPU and the memory of a replay grow: with the records that it reads, the events that it delivers,
// partitions and instances, and a linear model that is fitted to all of it (jobs of one partition: jobs-sharing.ts).
// Each point has instances of its own with default settings, but for a cap that is out of the way. What it prints is
// the section "Cost over growth" of docs/PERFORMANCE.md.
//   npm run bench -- growth [--rounds 3] [--sizes 300000,1000000,3000000,10000000] [--records 1000000]
//     [--parts records,events,values,partitions,instances]

import { loadavg } from 'node:os';
import { fixed } from './figures.ts';
import { pointsOf, PARTS } from './growth-points.ts';
import { reportGrowth } from './growth-report.ts';
import type { Measured } from './growth-report.ts';
import { measure } from './growth-run.ts';
import type { Sample } from './growth-run.ts';
import { describeMachine } from './machine.ts';
import { chosen, readOptions, wholeNumber } from './options.ts';
import type { Rig } from './rig.ts';
import { withScanData } from './scan-data.ts';

const SIZES = '300000,1000000,3000000,10000000';
const RECORDS = '1000000';

export async function growth(rig: Rig, say: (line: string) => void): Promise<void> {
  const asked = readOptions();
  const rounds = wholeNumber(asked.rounds);
  const sizes = (asked.sizes ?? SIZES)
    .split(',')
    .map(wholeNumber)
    .sort((a, b) => a - b);
  const parts = chosen(asked.parts, PARTS);
  const machine = await describeMachine(rig.stack.databaseUrl);
  await withScanData(say, async (data) => {
    const size = { sizes, records: wholeNumber(asked.records ?? RECORDS) };
    const points = await pointsOf(rig, data, parts, size, say);
    const samples: Sample[][] = points.map(() => []);
    const loads: number[] = [];
    const webhooks = new Map<string, string>();
    for (let round = 0; round < rounds; round++) {
      // Others' load comes and goes: each round goes over all points, so that no point has all of it.
      for (const [at, point] of points.entries()) {
        // What it says of memory needs no median.
        if (round > 0 && point.times > 1) continue;
        const sample = await measure(rig, point, webhooks);
        samples[at]?.push(sample);
        loads.push(loadavg()[0] ?? NaN);
        const figures = `${fixed(sample.seconds, 2)} s, ${fixed(sample.cpuSeconds, 2)} s of CPU`;
        say(`round ${round + 1}, ${point.name}: ${figures}; load ${fixed(loads.at(-1) ?? NaN, 1)}`);
      }
    }
    const measured: Measured[] = points.map((point, at) => ({ point, samples: samples[at] ?? [] }));
    say(reportGrowth({ machine, rounds, loads, measured, parts }));
  });
}
