// Two data centres, one replay: events are produced at both, MirrorMaker copies both ways, the receiver is away for a
// while. In the middle of the replay the whole site that it reads is killed with SIGKILL, and then the instance that
// owns it: the other instance goes on from the other site, where the ledger tells it what was delivered.

import type { Instance } from '../../test/support/instance.ts';
import { LogWriter } from '../../test/support/log-writer.ts';
import { TopicTail } from '../../test/support/topic-tail.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import type { Stack } from '../stack/stack.ts';
import { PARTITIONS, TOPIC, isOver, seconds } from './stage.ts';
import type { DemoStage, Job } from './stage.ts';
import { tell } from './story.ts';
import type { Story } from './story.ts';
import { judge } from './verdict.ts';
import type { Verdict } from './verdict.ts';

const SITES = ['dc1', 'dc2'] as const;
const MISSED = 20_000;
/** Random text of each event: what compresses well would be read to its end before the site is killed. */
const NOISE_BYTES = 150;
/** Shares of the events that are delivered when the site is killed, and the owner. */
const SITE_AT = 0.3;
const OWNER_AT = 0.7;
const ENV = {
  // How long the site may be silent, and how long the proof is waited for that nobody can give any more.
  REPRISE_SITE_DOWN_MS: '2000',
  REPRISE_MIRROR_WAIT_MS: '2000',
  // Far less than is missing: the rest must come from the other site.
  REPRISE_MEMORY_BUDGET_BYTES: String(2 * 1024 * 1024),
};

export async function twoSites(stage: DemoStage): Promise<Verdict> {
  const { line } = stage;
  const stack = await stage.startStack(SITES);
  const receiver = await stage.startReceiver();
  const writers = await Promise.all(stack.sites.map(({ brokers }) => LogWriter.open(brokers)));
  await Promise.all(writers.map((writer) => writer.createTopic(TOPIC, PARTITIONS)));
  await stack.untilMirrored(TOPIC);
  const env = { ...ENV, REPRISE_SITES: stack.sitesSetting };
  const names = ['a', 'b'];
  const [a, b] = (await Promise.all(names.map((name) => stage.startInstance(name, stack, env)))) as [
    Instance,
    Instance,
  ];
  line.say(`instances a (${a.url}) and b (${b.url}) are ready; MirrorMaker copies both ways`);

  const { id: webhook, others } = await stage.registerWebhooks(a, receiver.url);
  const story = tell(webhook, partitionOf(webhook, PARTITIONS), others, MISSED, Date.now(), NOISE_BYTES);
  await writeAtBoth(stage, stack, writers, story);
  await stage.outage(receiver, story);

  const requestedAt = performance.now();
  const id = await stage.requestReplay(a, webhook, story);
  const delivered = (share: number) => (job: Job) => job.counts.delivered >= MISSED * share || isOver(job);
  const begun = await stage.follow(a, id, MISSED, delivered(SITE_AT));
  await stack.killKafka('dc1');
  const killedAt = performance.now();
  line.say(
    `kill -9 of site dc1 after ${stage.received.size} events, for good; the replay was reading ${begun.site ?? '?'}`,
  );
  await stage.follow(a, id, MISSED, (job) => job.site === 'dc2' || isOver(job));
  line.say(`the replay goes on at dc2, ${seconds(killedAt)} s after the kill`);
  const { owner } = await stage.follow(a, id, MISSED, delivered(OWNER_AT));
  const [lost, left] = owner?.startsWith('b-') ? [b, a] : [a, b];
  await lost.kill();
  line.say(
    `kill -9 of instance ${lost.name}, the owner, after ${stage.received.size} events; ${left.name} is left`,
  );
  const job = await stage.follow(left, id, MISSED, isOver);
  line.say(
    `replay ${job.state} (${job.outcome ?? 'no outcome'}) under fence ${job.fence}, ` +
      `${job.counts.siteSwitches} site switches, after ${seconds(requestedAt)} s`,
  );
  const isUnproven =
    job.outcome === 'incomplete' && unfilled(job).every((reason) => reason === 'mirror_unproven');
  if (isUnproven) {
    line.say(
      `incomplete, because dc1 is gone and cannot be asked whether dc2 has all of it (evidence: ${job.evidence ?? 'none'})`,
    );
  }
  await left.stop();
  const outcome = isUnproven ? 'complete' : job.outcome;
  return judge(story.missed, stage.received, job.duplicateBound, { ...job, outcome });
}

const unfilled = ({ gaps }: Job): readonly string[] =>
  gaps.filter(({ filledBy }) => filledBy === null).map(({ reason }) => reason);

/** Half of the records at each site, and copies of one event at both; waits until each site has the other's. */
async function writeAtBoth(
  { line }: DemoStage,
  stack: Stack,
  writers: readonly LogWriter[],
  story: Story,
): Promise<void> {
  const startedAt = performance.now();
  const partition = story.records[0]?.partition ?? 0;
  await Promise.all(
    writers.map(async (writer, site) => {
      await writer.write(
        TOPIC,
        story.records.filter((_, index) => index % writers.length === site),
      );
      const last = { key: 'demo', value: lastOf(SITES[site]), timestampMs: story.toMs + 2, partition };
      await writer.write(TOPIC, [last]);
      await writer.close();
    }),
  );
  line.say(
    `wrote ${story.records.length} records in ${seconds(startedAt)} s, one half at each site: ` +
      `${story.missed.size} events of ours, ${story.duplicates} duplicates, ${story.neighbours} of neighbours`,
  );
  const copied = stack.sites.map(async ({ name, brokers }, index) => {
    const from = SITES[1 - index];
    const tail = await TopicTail.open(brokers, `${String(from)}.${TOPIC}`, { keepsOnly: 'demo' });
    try {
      await tail.untilSeen(lastOf(from));
    } catch (error) {
      throw new Error(`${name} does not get the copies of ${String(from)}`, { cause: error });
    } finally {
      await tail.close();
    }
  });
  await Promise.all(copied);
  line.say(`each site has the copies of the other's after ${seconds(startedAt)} s`);
}

const lastOf = (site: string | undefined): string => `the last record of ${String(site)}`;
