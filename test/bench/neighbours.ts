// A capped job holds its rate in every window of 10 s, alone and beside a neighbour in the same instance whose
// receiver is bad, for each kind of bad. The neighbour has no cap of its own, and its customer resumes it
// whenever it is paused. The good receiver counts, by its own clock; windows that span two kinds are judged too.
// Fails when a window is outside. Pacing needs a process that gets its turn, so what is outside while the machine
// itself was too busy is said loudly and measured again; what is outside every time fails all the same.

import { generateWithJava } from '../../scripts/stack/java-producer.ts';
import { statusOf } from '../../scripts/stack/stack.ts';
import { LogWriter } from '../support/log-writer.ts';
import type { Badness } from './bad-receiver-process.ts';
import { FarProcess } from './far-process.ts';
import { fixed, table } from './figures.ts';
import { Busyness } from './machine.ts';
import { residentMib } from './process-watch.ts';
import { KINDS, disturb } from './neighbour-kinds.ts';
import type { Disturbed, Kind } from './neighbour-kinds.ts';
import { lookAt, requestReplay, webhookAt } from './rig.ts';
import type { Rig } from './rig.ts';
import type { Arrivals, AskWindows, Mark } from './window-receiver-process.ts';
import { WINDOW_MS, judgeWindows } from './windows.ts';

const TOPIC = 'neighbours';
const KEY = 'bench-good';
const BAD_PREFIX = 'bench-bad-';
const BAD_KEY = `${BAD_PREFIX}1`;
const RECORDS = 400_000;
const SHARE = 0.7;
const VALUE_BYTES = 1_000;
const RATE = 300;
const TOLERANCE = 0.05;
const WINDOWS = 2;
const HOUR_MS = 3_600_000;
const LOOK_MS = 250;
/** How often a kind is measured at most, when the machine is too busy to tell. */
const TIMES = 3;
const BEGIN_MS = 20_000;
/** The rate is kept by a process that gets its turn: above these the machine is what is measured. */
const BUSY = { foreignShare: 0.25, stallMs: 250 };

interface Scene extends Disturbed {
  readonly good: FarProcess;
  readonly pids: readonly number[];
}

interface Phase {
  readonly name: string;
  readonly fromMs: number;
  readonly neighbour: string;
  readonly rssMib: number;
  readonly stallMs: number;
  readonly foreignShare: number;
  /** Outside while the machine was too busy, and measured again. */
  again: boolean;
}

export async function neighbours(rig: Rig, say: (line: string) => void): Promise<void> {
  const range = await writeLog(rig, say);
  const { far: good, hello } = await FarProcess.start<Mark>('window-receiver-process.ts');
  rig.onClose(() => good.close());
  const { far: bad, hello: badUrls } = await FarProcess.start<Badness>('bad-receiver-process.ts');
  rig.onClose(() => bad.close());
  const instance = await rig.instance('neighbours', TOPIC);
  const neighbour = await webhookAt(instance, badUrls.url, { key: BAD_KEY });
  const servers = Object.values(statusOf(rig.stack.name).running).filter((pid) => pid !== undefined);
  const pids = [process.pid, instance.pid, good.pid, bad.pid, ...servers];
  const scene: Scene = { instance, good, bad, badUrls, neighbour, range, pids };

  const webhook = await webhookAt(instance, hello.url, { key: KEY });
  const id = await requestReplay(instance, webhook, range, { maxRate: RATE });
  await untilSteady(good);
  const phases: Phase[] = [];
  say(`${RATE}/s alone, then beside ${KINDS.length} kinds of bad, ${WINDOWS} windows of 10 s each ...`);
  for (const kind of [null, ...KINDS]) await measure(scene, kind, phases, say);
  const job = await lookAt(instance, id);
  if (job.state !== 'ONGOING') throw new Error(`the log was too short: the job is ${JSON.stringify(job)}`);
  const rows = await judge(good, phases);
  say(report(rows));
  const outside = rows.filter((row) => !row.again && !isWithin(row));
  if (outside.length > 0) {
    throw new Error(`windows outside of ${RATE}/s +-5 %: ${outside.map(({ name }) => name).join(', ')}`);
  }
}

async function writeLog(
  { stack: { brokers } }: Rig,
  say: (line: string) => void,
): Promise<Disturbed['range']> {
  const writer = await LogWriter.open(brokers);
  await writer.createTopic(TOPIC, 1);
  await writer.close();
  say(`writing ${fixed(RECORDS)} records ...`);
  const toMs = Math.floor(Date.now() / 1_000) * 1_000 - HOUR_MS;
  const fromMs = toMs - HOUR_MS;
  await generateWithJava(
    { brokers, topic: TOPIC, compression: 'snappy' },
    {
      records: RECORDS,
      wantedKey: KEY,
      wantedShare: SHARE,
      keys: 1,
      keyPrefix: BAD_PREFIX,
      valueBytes: VALUE_BYTES,
      fromMs,
      toMs,
    },
  );
  return { fromMs, toMs };
}

const mark = (good: FarProcess): Promise<Mark> => good.ask<Mark>('mark' satisfies AskWindows);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The start of the job is no part of any window: a second of its rate has come. */
async function untilSteady(good: FarProcess): Promise<void> {
  const until = performance.now() + BEGIN_MS;
  while ((await mark(good)).arrived < RATE) {
    if (performance.now() > until) throw new Error('the good job does not deliver');
    await pause(LOOK_MS);
  }
}

/** `kind`: null = alone. Once more, a few times, while the machine leaves no verdict. */
async function measure(
  scene: Scene,
  kind: Kind | null,
  phases: Phase[],
  say: (line: string) => void,
): Promise<void> {
  const name = kind?.name ?? 'alone';
  const begin = kind ? () => disturb(scene, kind) : () => Promise.resolve(() => Promise.resolve('-'));
  for (let times = 1; ; times++) {
    const done = await phase(scene, name, begin);
    phases.push(done);
    const row = (await judge(scene.good, phases)).at(-1);
    if (!row) return;
    say(`${name}: ${fixed(row.least, 1)} to ${fixed(row.most, 1)}/s, foreign CPU ${share(row)} %`);
    if (isWithin(row) || !isBusy(row) || times === TIMES) return;
    done.again = true;
  }
}

/**
 * Each phase by the windows that end in it: also by those that began before it, and so hold its beginning, unless
 * what came before was outside itself.
 */
async function judge(good: FarProcess, phases: readonly Phase[]): Promise<readonly Row[]> {
  const { atMs: endMs } = await mark(good);
  const { atMs, distinct } = await good.ask<Arrivals>('arrivals' satisfies AskWindows);
  if (distinct !== atMs.length) throw new Error(`${atMs.length - distinct} events came twice`);
  const rows: Row[] = [];
  for (const [index, each] of phases.entries()) {
    const before = rows.at(-1);
    const fromMs = before && isWithin(before) ? each.fromMs - WINDOW_MS : each.fromMs;
    const toMs = phases[index + 1]?.fromMs ?? endMs;
    rows.push({ ...each, ...judgeWindows(atMs, { fromMs, toMs }) });
  }
  return rows;
}

/** `begin` starts the disturbance and returns its end, which tells what became of the neighbour. */
async function phase(
  scene: Scene,
  name: string,
  begin: () => Promise<(busy: Busyness) => Promise<string>>,
): Promise<Phase> {
  const { good, instance, pids } = scene;
  const { atMs: fromMs } = await mark(good);
  const busy = new Busyness(pids);
  const end = await begin();
  await pause(WINDOWS * WINDOW_MS - busy.elapsedMs);
  const { stallMs } = await mark(good);
  const foreignShare = busy.foreignShare;
  const rssMib = residentMib(instance.pid, 'VmRSS');
  return { name, fromMs, neighbour: await end(busy), rssMib, stallMs, foreignShare, again: false };
}

type Row = Phase & ReturnType<typeof judgeWindows>;

const isWithin = ({ windows, least, most }: Row): boolean =>
  windows > 0 && least >= RATE * (1 - TOLERANCE) && most <= RATE * (1 + TOLERANCE);

const isBusy = ({ foreignShare, stallMs }: Phase): boolean =>
  foreignShare > BUSY.foreignShare || stallMs > BUSY.stallMs;

const share = ({ foreignShare }: Phase): string => fixed(foreignShare * 100);

function verdict(row: Row): string {
  if (isWithin(row)) return 'yes';
  return row.again ? 'no, again' : '**no**';
}

function report(rows: readonly Row[]): string {
  const names = rows
    .filter(isBusy)
    .map(({ name }) => name)
    .join(', ');
  return [
    `## A job capped at ${RATE}/s beside a neighbour whose receiver is bad, in windows of 10 s that slide by 0.1 s`,
    table([
      [
        'kind',
        'windows',
        'min/s',
        'max/s',
        'within 5 %',
        'RSS MiB',
        'stall ms',
        'foreign CPU %',
        'the neighbour afterwards',
      ],
      ...rows.map((row) => [
        row.name,
        fixed(row.windows),
        fixed(row.least, 1),
        fixed(row.most, 1),
        verdict(row),
        fixed(row.rssMib),
        fixed(row.stallMs),
        share(row),
        row.neighbour,
      ]),
    ]),
    names === ''
      ? 'The machine had time for it.'
      : `**THE MACHINE ITSELF WAS TOO BUSY** (other work took its cores, or the receiver stood still) in: ${names}. What these rows say is the machine's, not the product's.`,
  ].join('\n\n');
}
