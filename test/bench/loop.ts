// How free the event loop of an instance stays while its scan threads and its delivery run as fast as they can:
// the delay of the loop beside that of a process that does nothing at the same time, and the longest turn of each
// thread in CPU time of that thread, which another process' load does not lengthen.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateWithJava } from '../../scripts/stack/java-producer.ts';
import type { Instance } from '../support/instance.ts';
import { LogWriter } from '../support/log-writer.ts';
import { against, fixed, table } from './figures.ts';
import type { Probed } from './loop-probe.ts';
import { requestReplay, untilEnded, webhookAt } from './rig.ts';
import type { Rig } from './rig.ts';

const TOPIC = 'loop';
const RECORDS = 1_000_000;
const VALUE_BYTES = 1_000;
const HOUR_MS = 3_600_000;
const DEADLINE_MS = 240_000;
const PROBE = join(import.meta.dirname, 'loop-probe.ts');
const TIMES_IDLE = 3;
const SLICE_MS = 10;
/** As loop-probe looks for its files. */
const LOOK_MS = 20;
const FAST = { REPRISE_MAX_RATE: '50000' };
const SHARES = [
  { name: '10 % wanted', key: 'loop-tenth', share: 0.1 },
  { name: 'nothing wanted', key: 'a key that nobody wrote', share: 0 },
];

export async function loop(rig: Rig, say: (line: string) => void): Promise<void> {
  const { brokers } = rig.stack;
  const writer = await LogWriter.open(brokers);
  await writer.createTopic(TOPIC, 1);
  await writer.close();
  say(`writing ${fixed(RECORDS)} records ...`);
  const toMs = Math.floor(Date.now() / 1_000) * 1_000 - HOUR_MS;
  const range = { fromMs: toMs - 2 * HOUR_MS, toMs };
  const { key, share } = SHARES[0] ?? { key: '', share: 0 };
  await generateWithJava(
    { brokers, topic: TOPIC, compression: 'snappy' },
    { records: RECORDS, wantedKey: key, wantedShare: share, valueBytes: VALUE_BYTES, ...range },
  );
  const receiver = await rig.receiver();
  const rows: string[][] = [];
  for (const { name, key } of SHARES) {
    let webhook: string | null = null;
    const at = async (instance: Instance): Promise<string> =>
      (webhook ??= await webhookAt(instance, receiver.url, { key }));
    for (const slices of [false, true]) {
      say(`${name}, ${slices ? 'longest turns' : 'delay of the loop'} ...`);
      rows.push(...(await measured(rig, { name, slices, at }, range)));
    }
  }
  say(
    [
      '## The event loop while a replay runs at full speed',
      table([
        ['run', 'thread', 'p50 ms', 'p99 ms', 'idle p99 ms', 'longest turns, CPU ms', 'target'],
        ...rows,
      ]),
    ].join('\n\n'),
  );
}

async function measured(
  rig: Rig,
  run: { readonly name: string; readonly slices: boolean; readonly at: (to: Instance) => Promise<string> },
  range: { readonly fromMs: number; readonly toMs: number },
): Promise<string[][]> {
  const dir = mkdtempSync(join(tmpdir(), 'reprise-loop-'));
  const name = join(dir, 'busy');
  const env = {
    ...FAST,
    PROBE: name,
    PROBE_SLICES: run.slices ? '1' : '0',
    NODE_OPTIONS: `--import ${PROBE}`,
  };
  const instance = await rig.instance(`loop-${String(run.slices)}`, TOPIC, env);
  const webhook = await run.at(instance);
  // A first, short one: code is compiled and threads are there when it counts.
  const short = { fromMs: range.fromMs, toMs: range.fromMs + 60_000 };
  await untilEnded(instance, await requestReplay(instance, webhook, short), 'COMPLETED', DEADLINE_MS);
  const idleName = join(dir, 'idle');
  const idle = spawn(process.execPath, ['--import', PROBE, '-e', 'setInterval(() => {}, 60_000)'], {
    env: { PATH: process.env['PATH'], PROBE: idleName },
    stdio: 'ignore',
  });
  const signal = (what: 'go' | 'stop'): void => {
    for (const each of run.slices ? [name] : [name, idleName]) writeFileSync(`${each}.${what}`, '');
  };
  signal('go');
  await untilEnded(instance, await requestReplay(instance, webhook, range), 'COMPLETED', DEADLINE_MS);
  signal('stop');
  const busy = await probes(dir, 'busy', 2);
  const [still] = run.slices ? [] : await probes(dir, 'idle', 1);
  idle.kill();
  await once(idle, 'exit');
  await instance.stop();
  rmSync(dir, { recursive: true, force: true });
  return busy.map((probed) => row(run, probed, still));
}

function row(
  run: { readonly name: string; readonly slices: boolean },
  probed: Probed,
  idle?: Probed,
): string[] {
  const { thread, p50Ms, p99Ms, turnsMs } = probed;
  const isMain = thread === 0;
  const verdict = run.slices
    ? against(turnsMs[0] ?? NaN, SLICE_MS, 'ms')
    : isMain && idle
      ? against(p99Ms, TIMES_IDLE * idle.p99Ms, 'ms')
      : '';
  return [
    run.name,
    isMain ? 'main' : `scan ${thread}`,
    run.slices ? '' : fixed(p50Ms, 2),
    run.slices ? '' : fixed(p99Ms, 2),
    idle ? fixed(idle.p99Ms, 2) : '',
    turnsMs.map((ms) => fixed(ms, 1)).join(', '),
    verdict,
  ];
}

/** Waits until at least so many threads have written. */
async function probes(dir: string, name: string, count: number): Promise<Probed[]> {
  for (;;) {
    const files = readdirSync(dir).filter((file) => file.startsWith(`${name}.`) && file.endsWith('.json'));
    if (files.length >= count) {
      // The others have had as long to write.
      await new Promise((resolve) => setTimeout(resolve, 5 * LOOK_MS));
      return files.map((file) => JSON.parse(readFileSync(join(dir, file), 'utf8')) as Probed);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
