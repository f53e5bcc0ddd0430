// What the API's tester meets: webhooks and replays in every state that lasts, with dead letters and a history. All
// through the API, on real parts; receivers answer by event id.

import { partitionOf } from '../../src/domain/partitioner.ts';
import type { Instance } from '../support/instance.ts';
import type { LogWriter } from '../support/log-writer.ts';
import { storyOf } from '../support/story.ts';

export interface Seed {
  readonly webhookIds: readonly string[];
  readonly replayIds: readonly string[];
  /** Not changed and not removed by the tester; all its plans are in `planIds`. */
  readonly plannedId: string;
  readonly planIds: readonly string[];
  /** Of profile x, without events. */
  readonly xWebhookId: string;
  readonly from: string;
  readonly to: string;
}

export interface Place {
  readonly instance: Instance;
  readonly writer: LogWriter;
  readonly topic: string;
  readonly partitions: number;
  /** Refuses events whose id ends with 7. */
  readonly receiverUrl: string;
}

const EVENTS = 40;
/** A plan runs once. */
const PLANS = 60;
const DEADLINE_MS = 60_000;

interface Shown {
  readonly id: string;
  readonly key: string;
  readonly state: string;
}

export async function seed(place: Place): Promise<Seed> {
  const { instance, writer, topic, partitions, receiverUrl } = place;
  const webhooks: Shown[] = [];
  let range = { from: '', to: '' };
  for (const description of ['done', 'paused', 'cancelled', 'running', 'idle', 'planned']) {
    const { body } = await instance.call<Shown>('POST', '/v1/webhooks', { url: receiverUrl, description });
    const { key } = body;
    const told = {
      key,
      partition: partitionOf(key, partitions),
      count: EVENTS,
      name: description,
      padding: 0,
    };
    const { story, records } = storyOf(told);
    await writer.write(topic, records);
    webhooks.push(body);
    range = { from: new Date(story.fromMs).toISOString(), to: new Date(story.toMs).toISOString() };
  }
  const ids = webhooks.map(({ id }) => id);
  const [done, paused, cancelled, running, , planned] = ids as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const replayIds = [
    await replay(instance, done, range, 'COMPLETED'),
    await replay(instance, paused, { ...range, maxRate: 1 }, 'PAUSED', 'pause'),
    await replay(instance, cancelled, { ...range, maxRate: 1 }, 'CANCELLED', 'cancel'),
    // Slow enough to run as long as the tester does; the second waits for its end.
    await replay(instance, running, { ...range, maxRate: 1 }, 'ONGOING'),
    await replay(instance, running, range, 'OPEN'),
  ];
  const planIds: string[] = [];
  for (let made = 0; made < PLANS; made++) {
    planIds.push((await accepted(instance, `/v1/webhooks/${planned}/replay-plans`, range)).id);
  }
  const url = encodeURIComponent(receiverUrl);
  const xWebhook = await accepted(instance, `/1.1/account_activity/webhooks.json?url=${url}`);
  const webhookIds = ids.filter((id) => id !== planned);
  return { webhookIds, replayIds, plannedId: planned, planIds, xWebhookId: xWebhook.id, ...range };
}

/** What a POST made. */
async function accepted(instance: Instance, path: string, draft?: object): Promise<Shown> {
  const { status, body } = await instance.call<Shown>('POST', path, draft);
  if (status >= 300) throw new Error(`POST ${path} was refused with ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** Requests a replay, does `verb` to it, and waits for its state. */
async function replay(
  instance: Instance,
  webhookId: string,
  draft: object,
  state: string,
  verb?: string,
): Promise<string> {
  const body = await accepted(instance, `/v1/webhooks/${webhookId}/replays`, draft);
  if (verb !== undefined) await instance.call('POST', `/v1/replays/${body.id}/${verb}`);
  const until = performance.now() + DEADLINE_MS;
  for (;;) {
    const seen = (await instance.call<Shown>('GET', `/v1/replays/${body.id}`)).body.state;
    if (seen === state) return body.id;
    if (performance.now() > until) throw new Error(`replay ${body.id} is ${seen}, not ${state}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
