// The users: they ask for replays all the time, look at them, and steer them (pause, resume, other limits, now and
// then cancel), each time through another instance.

import type { LedgerWebhook } from './ledger.ts';
import type { Random } from './random.ts';
import type { ReplayAnswer, Rest } from './rest.ts';
import type { World } from './world.ts';

/** A replay that REST accepted with 202. */
export interface Accepted {
  readonly id: string;
  readonly webhookId: string;
  readonly fromMs: number;
  readonly toMs: number;
}

const MOST_LIVE = 3;
const ENDED: readonly string[] = ['COMPLETED', 'CANCELLED', 'FAILED'];
const LOOK_MS = 700;
/** Share of the replays that read all sites, where there are several. */
const UNION = 0.15;
const ACTS = ['pause', 'pause', 'blink', 'limits', 'pause', 'blink', 'limits', 'cancel'] as const;

const STEERING = {
  pause: 'pause',
  blink: 'pause and resume at once',
  limits: 'PATCH of the limits',
  cancel: 'cancel',
} as const;

export const hasEnded = ({ state }: { readonly state: string }): boolean => ENDED.includes(state);

export class Demand {
  readonly accepted: Accepted[] = [];
  /** Last seen by REST. */
  readonly #seen = new Map<string, ReplayAnswer>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Asks for replays until the end: at most three per webhook that have not ended. */
  async request(): Promise<void> {
    const random = this.#world.random.fork('requests');
    const rest = this.#world.client('requests');
    const { webhooks } = this.#world.ledger;
    // Until REST says that it does not know this.
    let hasUnion = this.#world.stack.sites.length > 1;
    while (!this.#world.isEnding) {
      const webhook = random.pick(webhooks);
      const isUnion = hasUnion && random.chance(UNION);
      const draft = { ...draftOf(random, webhook), ...(isUnion && { readMode: 'union' }) };
      await this.#world.pause(random.int(150, 700));
      if (this.#liveOf(webhook.id) >= MOST_LIVE) continue;
      const answer = await rest.ask('POST', `/v1/webhooks/${webhook.id}/replays`, draft);
      if (answer?.status !== 202) {
        this.#world.timeline.note(`a request was answered with ${answer?.status ?? 'nothing'}`);
        if (isUnion && answer !== null && answer.status >= 400 && answer.status < 500) hasUnion = false;
        continue;
      }
      const replay = answer.body as ReplayAnswer;
      const [fromMs, toMs] = [Date.parse(draft.from), Date.parse(draft.to)];
      this.accepted.push({ id: replay.id, webhookId: webhook.id, fromMs, toMs });
      this.#seen.set(replay.id, replay);
    }
  }

  /** Looks at what has not ended; resumes what the endpoint's faults paused, after a while. */
  async watch(): Promise<void> {
    const random = this.#world.random.fork('watch');
    const rest = this.#world.client('watch');
    while (!this.#world.isEnding) {
      await this.#world.pause(LOOK_MS);
      for (const { id } of this.live()) {
        const answer = await rest.ask('GET', `/v1/replays/${id}`);
        if (answer?.status !== 200) continue;
        const replay = answer.body as ReplayAnswer;
        this.#seen.set(id, replay);
        if (replay.state === 'PAUSED' && random.chance(0.2))
          await rest.ask('POST', `/v1/replays/${id}/resume`);
      }
    }
  }

  async steer(): Promise<void> {
    const random = this.#world.random.fork('steering');
    const rest = this.#world.client('steering');
    const draw = random.bag(ACTS);
    for (;;) {
      const act = draw();
      await this.#world.pause(random.int(800, 3_000));
      const ms = random.int(300, 3_000);
      const maxRate = random.pick([30, 60, 120, 200]);
      if (this.#world.isEnding) return;
      const running = this.live().filter(({ state }) => state === 'ONGOING');
      if (running.length === 0) continue;
      await this.#act(rest, random.pick(running), act, { ms, maxRate });
    }
  }

  live(): readonly ReplayAnswer[] {
    return [...this.#seen.values()].filter((replay) => !hasEnded(replay));
  }

  /** Replays that were being delivered to this receiver when they were last seen. */
  streamingTo(target: number): number {
    const id = this.#world.ledger.webhooks[target]?.id;
    return this.live().filter(({ webhookId, state }) => webhookId === id && state === 'ONGOING').length;
  }

  #liveOf(webhookId: string): number {
    return this.live().filter((replay) => replay.webhookId === webhookId).length;
  }

  async #act(
    rest: Rest,
    { id, owner }: ReplayAnswer,
    act: (typeof ACTS)[number],
    { ms, maxRate }: { readonly ms: number; readonly maxRate: number },
  ): Promise<void> {
    const notOwner = owner?.split('-').slice(0, 2).join('-');
    const post = (verb: string) =>
      rest.ask('POST', `/v1/replays/${id}/${verb}`, { reason: 'chaos' }, notOwner);
    const answer =
      act === 'limits'
        ? await rest.ask('PATCH', `/v1/replays/${id}`, { maxRate, reason: 'chaos' }, notOwner)
        : await post(act === 'cancel' ? 'cancel' : 'pause');
    if (answer?.status !== 202) return;
    const told = { job: id, ms, owner, through: answer.from };
    if (answer.from === notOwner) this.#world.timeline.note('steered through the owner itself', told);
    else this.#world.timeline.fault(`REST through another instance: ${STEERING[act]}`, told);
    if (act === 'pause') await this.#world.pause(ms);
    if (act === 'pause' || act === 'blink') await post('resume');
  }
}

/**
 * Half of the edges lie exactly on an event's time: inclusive below, exclusive above. Some ranges are young: their
 * end is about now, and they wait for what is still coming.
 */
function draftOf(random: Random, { events }: LedgerWebhook) {
  const size = random.pick([15, 60, 120, 250, 250, 500]);
  const young = random.chance(0.12);
  const first = random.int(0, Math.max(0, events.length - size));
  const edge = (index: number): number =>
    (events[Math.min(index, events.length - 1)]?.atMs ?? 0) + (random.chance(0.5) ? 0 : random.int(1, 900));
  const [from, to] = [edge(first), edge(first + size)];
  const now = Date.now();
  const [youngFrom, youngTo] = [now - random.int(5_000, 60_000), now - random.int(-3_000, 4_000)];
  return {
    from: new Date(young ? youngFrom : from).toISOString(),
    to: new Date(young ? youngTo : Math.max(to, from + 1)).toISOString(),
    maxRate: random.pick([40, 80, 150, null]),
    scan: random.chance(0.2) ? 'full' : 'bounded',
  };
}
