// The main job on one cluster: an outage of the receiver, a replay, a SIGKILL of its owner in the middle.

import { LogWriter } from '../../test/support/log-writer.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { PARTITIONS, TOPIC, isOver, seconds } from './stage.ts';
import type { DemoStage } from './stage.ts';
import { tell } from './story.ts';
import { judge } from './verdict.ts';
import type { Verdict } from './verdict.ts';

const MISSED = 20_000;
/** Killed when this share of the events is delivered. */
const KILL_AT = 0.4;

export async function oneSite(stage: DemoStage): Promise<Verdict> {
  const { line } = stage;
  const stack = await stage.startStack(['local']);
  const receiver = await stage.startReceiver();
  const writer = await LogWriter.open(stack.brokers);
  await writer.createTopic(TOPIC, PARTITIONS);
  const first = await stage.startInstance('a', stack);
  line.say(`instance a is ready (${first.url})`);

  const { id: webhook, others } = await stage.registerWebhooks(first, receiver.url);
  const story = tell(webhook, partitionOf(webhook, PARTITIONS), others, MISSED, Date.now());
  const writtenFrom = performance.now();
  await writer.write(TOPIC, story.records);
  await writer.close();
  line.say(
    `wrote ${story.records.length} records on one partition in ${seconds(writtenFrom)} s: ` +
      `${story.missed.size} events of ours, ${story.duplicates} duplicates, ${story.neighbours} of neighbours`,
  );
  await stage.outage(receiver, story);

  const requestedAt = performance.now();
  const id = await stage.requestReplay(first, webhook, story);
  await stage.follow(first, id, MISSED, (job) => job.counts.delivered >= MISSED * KILL_AT || isOver(job));
  await first.kill();
  line.say(`kill -9 of instance a after ${stage.received.size} events; starting instance b`);
  const second = await stage.startInstance('b', stack);
  const job = await stage.follow(second, id, MISSED, isOver);
  line.say(
    `replay ${job.state} (${job.outcome ?? 'no outcome'}) under fence ${job.fence} after ${seconds(requestedAt)} s`,
  );
  await second.stop();
  return judge(story.missed, stage.received, job.duplicateBound, job);
}
