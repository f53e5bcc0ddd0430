// Resident memory and CPU time of one instance that replays out of a log of 1,000,000 records of about 1 KB, as
// Kafka's own Java producer writes them (snappy), all on one partition: nothing may grow with the log, and a slow
// receiver may not make it pile up. Each run has an instance of its own, so that the kernel's peak is that run's.

import { generateWithJava } from '../../scripts/stack/java-producer.ts';
import type { Instance } from '../support/instance.ts';
import { LogWriter } from '../support/log-writer.ts';
import { against, fixed, table } from './figures.ts';
import { ProcessWatch } from './process-watch.ts';
import type { Watched } from './process-watch.ts';
import { lookAt, requestReplay, untilEnded, webhookAt } from './rig.ts';
import type { Replay, Rig } from './rig.ts';

const TOPIC = 'memory';
const KEY = 'bench-memory';
const RECORDS = 1_000_000;
const SHARE = 0.1;
const VALUE_BYTES = 1_000;
const TARGET_MIB = 300;
const HOUR_MS = 3_600_000;
const DEADLINE_MS = 240_000;
/** So that the receiver and the instance are the limit, not the cap. */
const FAST = { REPRISE_MAX_RATE: '50000' };
const SLOW = { delayMs: 50, maxRate: 20, watchedMs: 60_000 };

interface Log {
  readonly wanted: number;
  readonly fromMs: number;
  readonly toMs: number;
}

interface Run {
  readonly name: string;
  readonly replay: Replay;
  readonly watched: Watched;
}

export async function memory(rig: Rig, say: (line: string) => void): Promise<void> {
  const log = await writeLog(rig, say);
  say('a replay that finds nothing in it ...');
  const nothing = await scanOnly(rig, log);
  say(`a replay of ${fixed(log.wanted)} events to a fast receiver ...`);
  const fast = await toFastReceiver(rig, log);
  say(`a replay to a receiver that takes ${SLOW.delayMs} ms, at ${SLOW.maxRate}/s, for 60 s ...`);
  const slow = await toSlowReceiver(rig, log, fast.webhook);
  say(report(log, nothing, fast, slow));
}

async function writeLog({ stack: { brokers } }: Rig, say: (line: string) => void): Promise<Log> {
  const writer = await LogWriter.open(brokers);
  await writer.createTopic(TOPIC, 1);
  await writer.close();
  say(`writing ${fixed(RECORDS)} records ...`);
  const toMs = Math.floor(Date.now() / 1_000) * 1_000 - HOUR_MS;
  const fromMs = toMs - 2 * HOUR_MS;
  const { wanted } = await generateWithJava(
    { brokers, topic: TOPIC, compression: 'snappy' },
    { records: RECORDS, wantedKey: KEY, wantedShare: SHARE, valueBytes: VALUE_BYTES, fromMs, toMs },
  );
  return { wanted, fromMs, toMs };
}

/** What reading alone costs. */
async function scanOnly(rig: Rig, log: Log): Promise<Run> {
  const instance = await rig.instance('nothing', TOPIC, FAST);
  const webhook = await webhookAt(instance, 'http://127.0.0.1:9/', { key: 'a key that nobody wrote' });
  const watch = new ProcessWatch(instance.pid);
  const id = await requestReplay(instance, webhook, log);
  const replay = await untilEnded(instance, id, 'COMPLETED', DEADLINE_MS);
  const watched = watch.stop();
  await instance.stop();
  return { name: 'nothing wanted', replay, watched };
}

async function toFastReceiver(rig: Rig, log: Log): Promise<Run & { readonly webhook: string }> {
  const receiver = await rig.receiver();
  const instance = await rig.instance('fast', TOPIC, FAST);
  const webhook = await webhookAt(instance, receiver.url, { key: KEY });
  const watch = new ProcessWatch(instance.pid);
  const id = await requestReplay(instance, webhook, log);
  const replay = await untilEnded(instance, id, 'COMPLETED', DEADLINE_MS);
  const watched = watch.stop();
  const { distinct } = await receiver.totals();
  if (distinct !== log.wanted) throw new Error(`the receiver has ${distinct} of ${log.wanted} events`);
  await instance.stop();
  await receiver.close();
  return { name: 'fast receiver', replay, watched, webhook };
}

async function toSlowReceiver(rig: Rig, log: Log, webhook: string): Promise<Run> {
  const receiver = await rig.receiver(SLOW.delayMs);
  const instance = await rig.instance('slow', TOPIC, FAST);
  await moveTo(instance, webhook, receiver.url);
  const watch = new ProcessWatch(instance.pid);
  const id = await requestReplay(instance, webhook, log, { maxRate: SLOW.maxRate });
  await new Promise((resolve) => setTimeout(resolve, SLOW.watchedMs));
  const replay = await lookAt(instance, id);
  const watched = watch.stop();
  if (replay.state !== 'ONGOING') throw new Error(`the slow replay is ${replay.state} after 60 s`);
  await instance.kill();
  await receiver.close();
  return { name: `${SLOW.delayMs} ms, ${SLOW.maxRate}/s`, replay, watched };
}

/** A key belongs to one webhook, so the slow receiver takes over the fast one's. */
async function moveTo(instance: Instance, webhook: string, url: string): Promise<void> {
  const { status } = await instance.call('PATCH', `/v1/webhooks/${webhook}`, { url });
  if (status !== 200) throw new Error(`the webhook's new URL was refused with ${status}`);
}

function report(log: Log, nothing: Run, fast: Run, slow: Run): string {
  const row = ({ name, replay: { counts }, watched }: Run): string[] => [
    name,
    fixed(counts.scanned),
    fixed(counts.delivered),
    fixed(watched.seconds, 1),
    fixed(watched.idleMib),
    fixed(watched.medianMib),
    fixed(watched.peakMib),
    against(watched.peakMib, TARGET_MIB, 'MiB'),
  ];
  const perRecord = nothing.watched.cpuMicros / nothing.replay.counts.scanned;
  const fastCpu = fast.watched.cpuMicros;
  const delivered = fast.replay.counts.delivered;
  const alone = (fastCpu - perRecord * fast.replay.counts.scanned) / delivered;
  return [
    `## Memory and CPU of an instance over ${fixed(RECORDS)} records of ${fixed(VALUE_BYTES)} bytes, ${fixed(log.wanted)} wanted`,
    table([
      [
        'receiver',
        'scanned',
        'delivered',
        's',
        'RSS before MiB',
        'median MiB',
        'peak MiB',
        'target of the peak',
      ],
      row(nothing),
      row(fast),
      row(slow),
    ]),
    table([
      ['CPU time of the instance', 'µs'],
      ['per scanned record, nothing wanted', fixed(perRecord, 2)],
      ['per scanned record, fast receiver', fixed(fastCpu / fast.replay.counts.scanned, 2)],
      ['per delivered event, fast receiver', fixed(fastCpu / delivered, 1)],
      ['per delivered event, without the scanning', fixed(alone, 1)],
    ]),
    `The fast receiver got ${fixed(delivered / fast.watched.seconds)} events/s; nothing wanted: ${fixed(nothing.replay.counts.scanned / nothing.watched.seconds)} records/s.`,
  ].join('\n\n');
}
