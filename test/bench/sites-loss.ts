// A replay of a long log whose site is killed with SIGKILL in the middle, for good: how long until the first event of
// the other site. A cluster of its own is killed; the other site is the bench's own cluster with the copy.

import { startStack } from '../../scripts/stack/stack.ts';
import type { Instance } from '../support/instance.ts';
import { Receiver } from '../support/receiver.ts';
import { against, fixed, table } from './figures.ts';
import { requestReplay, untilEnded, webhookAt } from './rig.ts';
import type { Rig } from './rig.ts';
import { COPY, KEY, OWN } from './sites.ts';
import type { SitesLog } from './sites.ts';

const SITE_DOWN_MS = 5_000;
/** The promise, beside the configured limit. */
const GOES_ON_MS = 10_000;
/** Of the events, when the site is killed. */
const KILL_AT = 0.5;
const DEADLINE_MS = 240_000;
const ENV = { REPRISE_SITE_DOWN_MS: String(SITE_DOWN_MS), REPRISE_MIRROR_WAIT_MS: '1000' };

interface Switch {
  readonly type: string;
  readonly at: string;
  readonly body: { readonly by?: string };
}

export async function siteLost(rig: Rig, log: SitesLog, say: (line: string) => void): Promise<string> {
  const dc1 = await startStack({
    name: `bench-lost-${process.pid}`,
    database: 'none',
    sites: ['dc1'],
    tied: true,
  });
  rig.onClose(() => dc1.stop({ wipe: true }));
  await log.write(dc1.brokers, OWN);
  const silence = new Silence();
  const receiver = await Receiver.start({
    storeBodies: false,
    keep: 10,
    answer: ({ atMs }) => {
      silence.heard(atMs);
      return { status: 200 };
    },
  });
  rig.onClose(() => receiver.close());
  const sites = `dc1=${dc1.brokers}/${OWN};dc2=${rig.stack.brokers}/${COPY}@dc1:${OWN}`;
  const instance = await rig.instance('sites-lost', OWN, { ...ENV, REPRISE_SITES: sites });
  // The key belongs to the webhook of the other part, if that ran.
  const webhook = await webhookOf(instance, receiver.url);
  const id = await requestReplay(instance, webhook, log);
  await receiver.waitFor(({ accepted }) => accepted >= log.wanted * KILL_AT);
  const [killedAtMs, killedMonoMs] = [Date.now(), performance.now()];
  silence.begin(killedMonoMs);
  await dc1.killKafka('dc1');
  say(`killed its site after ${fixed(receiver.accepted)} of ${fixed(log.wanted)} events ...`);
  const { outcome, counts } = await untilEnded(instance, id, 'COMPLETED', DEADLINE_MS);
  const { body } = await instance.call<{ items: readonly Switch[] }>('GET', `/v1/replays/${id}/transitions`);
  const switched = body.items.find(({ type }) => type === 'SITE_SWITCHED');
  if (!switched) throw new Error('the replay did not leave its site: it had been read to its end');
  if (receiver.distinctIds !== log.wanted)
    throw new Error(`the receiver has ${receiver.distinctIds} of ${log.wanted} events`);
  const switchedMs = Date.parse(switched.at) - killedAtMs;
  const firstMs = silence.overAtMs - killedMonoMs;
  if (firstMs < switchedMs) throw new Error('the longest silence was over before the switch');
  await instance.stop();
  return [
    `## A replay of ${fixed(log.records)} records whose site is lost at ${fixed(KILL_AT * 100)} %`,
    table([
      ['', ''],
      ['limit of the site’s silence, s', fixed(SITE_DOWN_MS / 1_000, 1)],
      [`from the kill to SITE_SWITCHED (by ${switched.body.by ?? '?'}), s`, fixed(switchedMs / 1_000, 1)],
      ['from the kill to the first event of the other site, s', fixed(firstMs / 1_000, 1)],
      ['target', against(firstMs / 1_000, (GOES_ON_MS + SITE_DOWN_MS) / 1_000, 's')],
      ['longest time without an event, s', fixed(silence.longestMs / 1_000, 1)],
      ['events delivered, each counted once', fixed(counts.delivered)],
      ['requests that came again', fixed(receiver.repeats)],
      ['outcome', outcome ?? ''],
    ]),
  ].join('\n\n');
}

/** The longest time between two events, since it began. */
class Silence {
  #lastMs = Infinity;
  #longestMs = 0;
  #overAtMs = NaN;

  begin(atMs: number): void {
    this.#lastMs = atMs;
  }

  heard(atMs: number): void {
    if (this.#lastMs === Infinity) return;
    if (atMs - this.#lastMs > this.#longestMs) {
      this.#longestMs = atMs - this.#lastMs;
      this.#overAtMs = atMs;
    }
    this.#lastMs = atMs;
  }

  get longestMs(): number {
    return this.#longestMs;
  }

  get overAtMs(): number {
    return this.#overAtMs;
  }
}

async function webhookOf(instance: Instance, url: string): Promise<string> {
  interface Listed {
    readonly items: readonly { readonly id: string; readonly key: string }[];
  }
  const { body } = await instance.call<Listed>('GET', '/v1/webhooks?limit=100');
  const known = body.items.find(({ key }) => key === KEY);
  if (!known) return webhookAt(instance, url, { key: KEY });
  const { status } = await instance.call('PATCH', `/v1/webhooks/${known.id}`, { url });
  if (status !== 200) throw new Error(`the webhook's new URL was refused with ${status}`);
  return known.id;
}
