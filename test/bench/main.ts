// npm run bench [-- first-event|memory|loop|claim|jobs|neighbours|scan|deliver|replay|growth|sites ...] [--mysql]: the figures that the promises are measured by,
// on a stack of its own. Slow figures are told, beside their target; exit 1 only when a bench itself fails, or when
// a rate that is promised and paced was not held (neighbours).

import { fixed } from './figures.ts';
import { claim } from './claim.ts';
import { deliver } from './deliver.ts';
import { firstEvent } from './first-event.ts';
import { growth } from './growth.ts';
import { jobs } from './jobs.ts';
import { describeMachine } from './machine.ts';
import { loop } from './loop.ts';
import { memory } from './memory.ts';
import { neighbours } from './neighbours.ts';
import { readBenches, readOptions } from './options.ts';
import { replay } from './replay.ts';
import { Rig } from './rig.ts';
import { scan } from './scan.ts';
import { sites } from './sites.ts';

type Bench = (rig: Rig, say: (line: string) => void) => Promise<void>;

const BENCHES: ReadonlyMap<string, Bench> = new Map([
  ['first-event', firstEvent],
  ['memory', memory],
  ['loop', loop],
  ['claim', claim],
  ['jobs', jobs],
  ['neighbours', neighbours],
  ['scan', scan],
  ['deliver', deliver],
  ['replay', replay],
  ['growth', growth],
  ['sites', sites],
]);
const LIMIT_MS = 3_600_000;

let rig: Rig | null = null;

async function main(): Promise<void> {
  const [positionals, values] = [readBenches(), readOptions()];
  const unknown = positionals.find((name) => !BENCHES.has(name));
  if (unknown !== undefined) {
    console.error(`no bench "${unknown}"; there are ${[...BENCHES.keys()].join(', ')}`);
    return end(1);
  }
  const startedMs = performance.now();
  say('starting a private Kafka broker and a private database ...');
  rig = await Rig.open('run', { database: values.mysql ? 'mysql' : 'mariadb' });
  console.log(`\n${await describeMachine(rig.stack.databaseUrl)}\n`);
  for (const [name, bench] of BENCHES) {
    if (positionals.length === 0 || positionals.includes(name)) await bench(rig, say);
  }
  say(`done after ${fixed((performance.now() - startedMs) / 1_000)} s`);
}

/** Tables go to stdout, progress beside them. */
function say(line: string): void {
  if (line.includes('\n')) console.log(`\n${line}\n`);
  else console.error(line);
}

async function end(code: number): Promise<never> {
  await rig?.close();
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void end(130));
setTimeout(() => {
  console.error(`the benches took longer than ${LIMIT_MS / 1_000} s`);
  void end(1);
}, LIMIT_MS).unref();

try {
  await main();
  await end(0);
} catch (error) {
  console.error(error);
  await end(1);
}
