// A whole replay, end to end: Reprise, asked over its API, beside programs that read the same partition and POST the
// same events to the same receiver. Each run has processes of its own; all take their turn in each round. Of Reprise
// everything counts from the POST until COMPLETED, of the others what they take after their first arrivals. Then
// whether one replay keeps the rate that it is capped at.
//   npm run bench -- replay [--rounds 3] [--only obvious,concurrent,bento] [--events 150000] [--parts compare,rate]
//     [--profile DIRECTORY]

import { loadavg } from 'node:os';
import { FastReceiver } from './fast-receiver.ts';
import { fixed } from './figures.ts';
import { runPeer } from './peer-run.ts';
import type { ReplayRun } from './peer-run.ts';
import { chosen, readOptions, wholeNumber } from './options.ts';
import { ProcessWatch } from './process-watch.ts';
import { REPLAY_PEER_IDS, findReplayPeers } from './replay-peers.ts';
import type { ReplayPeer } from './replay-peers.ts';
import { reportRate, reportReplays } from './replay-report.ts';
import { atCappedRate } from './replay-rate.ts';
import { beginInstance } from './replay-scene.ts';
import type { Delivery, Scene } from './replay-scene.ts';
import { requestReplay, untilEnded } from './rig.ts';
import type { Rig } from './rig.ts';
import { KEYS, withScanData } from './scan-data.ts';
import type { ScanLog } from './scan-data.ts';

const EVENTS = '150000';
const VALUE_BYTES = 1_000;
/** One record in ten is wanted. */
const RECORDS_PER_EVENT = 10;
/** Of the peers that are slow. */
const FEW_RECORDS = 150_000;
const RATE = { perSecond: 2_500, records: 1_500_000 };
const DEADLINE_MS = 240_000;
/** As most receivers want events, and as those want them that can take several in one request. */
const MODES = [
  { id: 'reprise', delivery: { mode: 'single' } },
  { id: 'reprise-ndjson', delivery: { mode: 'ndjson', maxEvents: 100 } },
] as const;

type Say = (line: string) => void;

export async function replay(rig: Rig, say: Say): Promise<void> {
  const { only, profile, ...asked } = readOptions();
  const [rounds, events] = [wholeNumber(asked.rounds), wholeNumber(asked.events ?? EVENTS)];
  const parts = chosen(asked.parts, ['compare', 'rate']);
  const notes: string[] = [];
  const peers = await findReplayPeers(chosen(only, REPLAY_PEER_IDS), (note) => notes.push(note));
  await withScanData(say, async (data) => {
    const scene: Scene = { rig, data, webhook: null, profile };
    if (parts.includes('compare')) await compare(scene, peers, { rounds, events, notes, say });
    if (!parts.includes('rate')) return;
    const full = await data.log(VALUE_BYTES, RATE.records);
    say(`one replay of ${fixed(full.wanted.common)} events at ${fixed(RATE.perSecond)}/s ...`);
    say(reportRate(await atCappedRate(scene, full, RATE.perSecond), RATE.perSecond));
  });
}

interface Comparison {
  readonly rounds: number;
  readonly events: number;
  readonly notes: readonly string[];
  readonly say: Say;
}

async function compare(
  scene: Scene,
  peers: readonly ReplayPeer[],
  { rounds, events, notes, say }: Comparison,
): Promise<void> {
  const { data } = scene;
  const log = await data.log(VALUE_BYTES, events * RECORDS_PER_EVENT);
  const few = await data.log(VALUE_BYTES, Math.min(FEW_RECORDS, events * RECORDS_PER_EVENT));
  const runs = new Map<string, ReplayRun[]>();
  for (let round = 0; round < rounds; round++) await oneRound({ scene, log, few, peers, round, runs, say });
  say(reportReplays(peers, runs, log, notes));
}

interface Round {
  readonly scene: Scene;
  readonly log: ScanLog;
  readonly few: ScanLog;
  readonly peers: readonly ReplayPeer[];
  readonly round: number;
  readonly runs: Map<string, ReplayRun[]>;
  readonly say: Say;
}

/** Who begins changes from round to round. */
async function oneRound({ scene, log, few, peers, round, runs, say }: Round): Promise<void> {
  const all = [...MODES, ...peers];
  const turn = round % all.length;
  for (const each of [...all.slice(turn), ...all.slice(0, turn)]) {
    const run = await ('delivery' in each
      ? repriseReplays(scene, log, each.delivery)
      : peerReplays(scene, each, each.slow ? few : log));
    const { id } = each;
    runs.set(id, [...(runs.get(id) ?? []), run]);
    const figures = `${fixed(run.perSecond)} events/s, ${fixed(run.cpuMicros, 1)} µs per event`;
    say(`round ${round + 1}, ${id}: ${figures}; load ${fixed(loadavg()[0] ?? NaN, 1)}`);
  }
}

async function peerReplays({ data }: Scene, peer: ReplayPeer, log: ScanLog): Promise<ReplayRun> {
  const receiver = await FastReceiver.start();
  try {
    const { brokers } = data;
    const sending = { brokers, topic: log.topic, key: KEYS.common, url: receiver.url };
    return await runPeer(peer, sending, receiver, log.wanted.common);
  } finally {
    await receiver.close();
  }
}

async function repriseReplays(scene: Scene, log: ScanLog, delivery: Delivery): Promise<ReplayRun> {
  const receiver = await FastReceiver.start();
  try {
    const instance = await beginInstance(scene, log, { url: receiver.url, delivery });
    const watch = new ProcessWatch(instance.pid);
    const id = await requestReplay(instance, scene.webhook ?? '', log);
    await untilEnded(instance, id, 'COMPLETED', DEADLINE_MS);
    const watched = watch.stop();
    const arrived = await receiver.arrived();
    await instance.stop();
    return {
      wanted: log.wanted.common,
      arrived,
      perSecond: arrived.events / watched.seconds,
      cpuMicros: watched.cpuMicros / arrived.events,
      peakMib: watched.peakMib,
    };
  } finally {
    await receiver.close();
  }
}
