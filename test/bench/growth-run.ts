// One measured point of the growth bench: instances of their own, one job per key asked for at once over REST, and
// what all of it took until the last was COMPLETED. What a receiver did not get exactly is an error, not a figure.

import type { Instance } from '../support/instance.ts';
import { FastReceiver } from './fast-receiver.ts';
import { cpuMicros, residentMib } from './process-watch.ts';
import { requestReplay, untilEnded, webhookAt } from './rig.ts';
import type { Replay, Rig } from './rig.ts';

const DEADLINE_MS = 240_000;
const COUNTED_MS = 10_000;
const LOOK_MS = 50;
const ENV = {
  // Cores are the limit and not the cap.
  REPRISE_MAX_RATE: '1000000',
  // The kept log is some months old.
  REPRISE_LOOKBACK_MS: String(366 * 86_400_000),
};

export interface Point {
  readonly part: string;
  readonly name: string;
  readonly brokers: string;
  readonly topic: string;
  readonly range: { readonly fromMs: number; readonly toMs: number };
  /** One job each. */
  readonly keys: readonly string[];
  readonly instances: number;
  /** How often the range is replayed, one after the other. */
  readonly times: number;
}

export interface Sample {
  /** From the first job's creation to the last one's end, as the database has them. */
  readonly seconds: number;
  /** Of all instances, user and system time. */
  readonly cpuSeconds: number;
  /** Of the largest instance. */
  readonly peakMib: number;
  readonly endMib: number;
  readonly records: number;
  readonly events: number;
  readonly mib: number;
}

/** A key belongs to one webhook, which moves from receiver to receiver. */
export type Webhooks = Map<string, string>;

export async function measure(rig: Rig, point: Point, webhooks: Webhooks): Promise<Sample> {
  const receiver = await FastReceiver.start();
  const instances: Instance[] = [];
  try {
    for (let n = 0; n < point.instances; n++) {
      instances.push(
        await rig.instance(`growth-${n}`, point.topic, {
          ...ENV,
          REPRISE_SITES: `bench=${point.brokers}/${point.topic}`,
        }),
      );
    }
    const [first] = instances;
    if (!first) throw new Error('a point without instances');
    const ids = await moveAll(first, point.keys, receiver.url, webhooks);
    const before = cpuOf(instances);
    const replays: Ended[] = [];
    let seconds = 0;
    for (let time = 0; time < point.times; time++) {
      const ended = await replayAll(first, ids, point.range);
      seconds += secondsOf(ended);
      replays.push(...ended);
    }
    const cpuSeconds = (cpuOf(instances) - before) / 1_000_000;
    const [peaks, ends] = (['VmHWM', 'VmRSS'] as const).map((line) =>
      instances.map(({ pid }) => residentMib(pid, line)),
    );
    const scanned = replays.reduce((sum, { counts }) => sum + counts.scanned, 0);
    const read = await readBy(instances, scanned);
    const events = replays.reduce((sum, { counts }) => sum + counts.delivered, 0);
    const arrived = await receiver.arrived();
    if (arrived.events !== events || arrived.distinct * point.times !== events) {
      throw new Error(`${point.name}: ${events} delivered, ${JSON.stringify(arrived)} arrived`);
    }
    return {
      seconds,
      cpuSeconds,
      peakMib: Math.max(...(peaks ?? [])),
      endMib: Math.max(...(ends ?? [])),
      ...read,
      events,
    };
  } finally {
    for (const instance of instances) await instance.stop();
    await receiver.close();
  }
}

async function moveAll(
  instance: Instance,
  keys: readonly string[],
  url: string,
  webhooks: Webhooks,
): Promise<string[]> {
  const ids: string[] = [];
  for (const key of keys) {
    const known = webhooks.get(key);
    if (known !== undefined) {
      const { status } = await instance.call('PATCH', `/v1/webhooks/${known}`, { url });
      if (status !== 200) throw new Error(`the webhook's new URL was refused with ${status}`);
    }
    const id = known ?? (await webhookAt(instance, url, { key }));
    webhooks.set(key, id);
    ids.push(id);
  }
  return ids;
}

type Ended = Replay & { readonly createdAt: string; readonly updatedAt: string };

/** Looks at one job after the other: looking at all at once would be a load of its own. */
async function replayAll(
  instance: Instance,
  webhooks: readonly string[],
  range: Point['range'],
): Promise<Ended[]> {
  const ids = await Promise.all(webhooks.map((webhook) => requestReplay(instance, webhook, range)));
  const ended: Ended[] = [];
  for (const id of ids) {
    const replay = (await untilEnded(instance, id, 'COMPLETED', DEADLINE_MS)) as Ended;
    if (replay.outcome !== 'complete') throw new Error(`replay ${id} is ${JSON.stringify(replay)}`);
    ended.push(replay);
  }
  return ended;
}

function secondsOf(replays: readonly Ended[]): number {
  const first = Math.min(...replays.map(({ createdAt }) => Date.parse(createdAt)));
  const last = Math.max(...replays.map(({ updatedAt }) => Date.parse(updatedAt)));
  if (!(last > first)) throw new Error(`no times: ${JSON.stringify(replays[0])}`);
  return (last - first) / 1_000;
}

const cpuOf = (instances: readonly Instance[]): number =>
  instances.reduce((sum, { pid }) => sum + cpuMicros(pid), 0);

/**
 * The instances' own counters; each of them began with the point. A scan thread tells what it counted some times a
 * second, so the last of it comes after the end of the replay.
 */
async function readBy(
  instances: readonly Instance[],
  scanned: number,
): Promise<{ records: number; mib: number }> {
  const until = performance.now() + COUNTED_MS;
  for (;;) {
    let [records, bytes] = [0, 0];
    for (const { url } of instances) {
      const text = await (await fetch(`${url}/metrics`)).text();
      records += counted(text, 'reprise_read_records_total');
      bytes += counted(text, 'reprise_read_bytes_total');
    }
    if (records >= scanned) return { records, mib: bytes / 2 ** 20 };
    if (performance.now() > until) throw new Error(`/metrics counts ${records} of ${scanned} records`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Over all sources. */
function counted(text: string, name: string): number {
  if (!text.includes(`# TYPE ${name} `)) throw new Error(`/metrics has no ${name}`);
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
