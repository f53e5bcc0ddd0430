// One topic, and the same topic beside a copy of it, read by an instance each: the copy holds the same events, so twice
// the records are scanned and each event is delivered once. Who begins changes from round to round.

import { fixed, median, table } from './figures.ts';
import { ProcessWatch } from './process-watch.ts';
import { requestReplay, untilEnded, webhookAt } from './rig.ts';
import type { Rig } from './rig.ts';
import { COPY, KEY, OWN } from './sites.ts';
import type { SitesLog } from './sites.ts';

const TARGET = 2.2;
const DEADLINE_MS = 240_000;
/** So that the receiver and the instance are the limit, not the cap. */
const FAST = { REPRISE_MAX_RATE: '50000' };

interface Way {
  readonly name: string;
  readonly topics: 1 | 2;
  readonly wanted: boolean;
}

const WAYS: readonly Way[] = [
  { name: 'one topic, nothing wanted', topics: 1, wanted: false },
  { name: 'own and copy, nothing wanted', topics: 2, wanted: false },
  { name: 'one topic, 10 % delivered', topics: 1, wanted: true },
  { name: 'own and copy, 10 % delivered', topics: 2, wanted: true },
];

interface Run {
  readonly cpuMs: number;
  readonly seconds: number;
  readonly peakMib: number;
}

export async function readingSites(
  rig: Rig,
  log: SitesLog,
  rounds: number,
  say: (line: string) => void,
): Promise<string> {
  const runs = new Map<Way, Run[]>(WAYS.map((way) => [way, []]));
  const known: { webhook: string | null } = { webhook: null };
  for (let round = 0; round < rounds; round++) {
    const turn = round % WAYS.length;
    for (const way of [...WAYS.slice(turn), ...WAYS.slice(0, turn)]) {
      const run = await oneRun(rig, log, way, known, `${round}-${WAYS.indexOf(way)}`);
      runs.get(way)?.push(run);
      say(`round ${round + 1}, ${way.name}: ${fixed(run.cpuMs)} ms of CPU, ${fixed(run.seconds, 1)} s`);
    }
  }
  return report(log, rounds, runs);
}

/** `two` is the same cluster by another name: whom the copy's proof asks. */
function sitesOf(brokers: string, { topics }: Way): string {
  return topics === 1
    ? `one=${brokers}/${OWN}`
    : `one=${brokers}/${OWN}+${COPY}@two:${OWN};two=${brokers}/${OWN}`;
}

async function oneRun(
  rig: Rig,
  log: SitesLog,
  way: Way,
  known: { webhook: string | null },
  name: string,
): Promise<Run> {
  const receiver = await rig.receiver();
  const env = { ...FAST, REPRISE_SITES: sitesOf(rig.stack.brokers, way) };
  const instance = await rig.instance(`sites-${name}`, OWN, env);
  const { url } = receiver;
  let webhook: string;
  if (!way.wanted) webhook = await webhookAt(instance, url, { key: `nobody wrote ${name}` });
  else if (known.webhook === null) webhook = known.webhook = await webhookAt(instance, url, { key: KEY });
  else {
    webhook = known.webhook;
    const { status } = await instance.call('PATCH', `/v1/webhooks/${webhook}`, { url });
    if (status !== 200) throw new Error(`the webhook's new URL was refused with ${status}`);
  }
  const watch = new ProcessWatch(instance.pid);
  const id = await requestReplay(instance, webhook, log);
  const { outcome, counts } = await untilEnded(instance, id, 'COMPLETED', DEADLINE_MS);
  const { cpuMicros, seconds, peakMib } = watch.stop();
  const { distinct } = await receiver.totals();
  const wanted = way.wanted ? log.wanted : 0;
  if (outcome !== 'complete' || distinct !== wanted || counts.delivered !== wanted)
    throw new Error(`${way.name}: ${String(outcome)}, ${distinct} of ${wanted} events`);
  if (counts.scanned < log.records * way.topics)
    throw new Error(`${way.name}: ${counts.scanned} records were scanned`);
  await instance.stop();
  await receiver.close();
  return { cpuMs: cpuMicros / 1_000, seconds, peakMib };
}

function report(log: SitesLog, rounds: number, runs: ReadonlyMap<Way, readonly Run[]>): string {
  const of = (way: Way | undefined, pick: (run: Run) => number): number =>
    median((way ? (runs.get(way) ?? []) : []).map(pick));
  const rows = WAYS.map((way) => {
    const alone = WAYS.find(({ topics, wanted }) => topics === 1 && wanted === way.wanted);
    const ratio = (pick: (run: Run) => number): number => of(way, pick) / of(alone, pick);
    const cpu = ratio(({ cpuMs }) => cpuMs);
    return [
      way.name,
      fixed(of(way, ({ cpuMs }) => cpuMs)),
      fixed(
        of(way, ({ seconds }) => seconds),
        1,
      ),
      fixed(of(way, ({ peakMib }) => peakMib)),
      fixed(cpu, 2),
      fixed(
        ratio(({ seconds }) => seconds),
        2,
      ),
      way.topics === 1 ? '' : `<= ${TARGET} x: ${cpu <= TARGET ? 'holds' : '**does not hold**'}`,
    ];
  });
  return [
    `## Reading own and mirrored topics, ${fixed(log.records)} records each, ${fixed(log.wanted)} wanted, medians of ${rounds}`,
    table([['', 'CPU ms', 's', 'peak MiB', 'CPU x', 'time x', 'target of the CPU'], ...rows]),
  ].join('\n\n');
}
