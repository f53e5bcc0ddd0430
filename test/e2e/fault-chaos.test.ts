// Many replays, three instances, and one random fault after the other until all is delivered: SIGKILL, a sleep
// past the lease or shorter, SIGTERM, killed database connections, pauses. Then everything must be as promised.
// A failure tells its seed, which repeats the choices, though not the timing (REPRISE_TEST_SEED).

import { afterEach, expect, test } from 'vitest';
import { DEFAULT_TENANT, asJobId } from '../../src/domain/ids.ts';
import { killConnections } from '../support/hold.ts';
import type { Instance } from '../support/instance.ts';
import { Scene } from '../support/scene.ts';
import type { Story } from '../support/scene.ts';

const SEED = Number(process.env['REPRISE_TEST_SEED'] ?? Date.now() % 1_000_000);
const MAX_FAULTS = Number(process.env['REPRISE_TEST_FAULTS'] ?? 12);
const FAULTS = ['kill', 'stop', 'sleep', 'nap', 'connections', 'pause'] as const;
const WEBHOOKS = 4;
const ROUNDS = 2;
const EVENTS = 300;
const ENDED: readonly string[] = ['COMPLETED', 'CANCELLED', 'FAILED'];
let scene: Scene;

afterEach(() => scene.close());

test(`replays survive whatever happens to their owners (seed ${SEED})`, { timeout: 180_000 }, async () => {
  scene = await Scene.open({ env: { REPRISE_POOL_SIZE: '3', REPRISE_MAX_REPEAT: '40' } });
  const instances = await Promise.all([scene.start('a'), scene.start('b'), scene.start('c')]);
  const jobs = await askAll(instances[0]);
  const random = randomOf(SEED);
  const told: string[] = [];
  for (let count = 1; count <= MAX_FAULTS && (await areLive(jobs)); count++) {
    const at = Math.floor(random() * instances.length);
    const victim = instances[at];
    const fault = FAULTS[Math.floor(random() * FAULTS.length)];
    const job = jobs[Math.floor(random() * jobs.length)];
    if (!victim || !fault || !job) throw new Error('nothing was chosen');
    told.push(`${fault} ${fault === 'pause' ? job.id : victim.name}`);
    if (await strike(fault, victim, job.id, jobs)) instances[at] = await scene.start(`x${count}`);
    await moreRequests(Math.floor(random() * 40), jobs);
  }
  for (const { id, story } of jobs) {
    await scene.untilState(id, 'COMPLETED', 60_000);
    const repeats = await scene.checkComplete(id, story.ids);
    told.push(`${id}: ${repeats} repeats, ${(await scene.facts(id)).join(' ')}`);
  }
  if (process.env['REPRISE_TEST_SEED'] !== undefined) console.log(told.join('\n'));
});

interface Asked {
  readonly id: string;
  readonly story: Story;
}

/** Slow enough to meet some faults: 4 webhooks with 100 events/s each. */
async function askAll(instance: Instance): Promise<readonly Asked[]> {
  scene.receiver.set({ status: 200, delayMs: 10 });
  const asked: Asked[] = [];
  for (let at = 0; at < WEBHOOKS; at++) {
    const webhook = await scene.webhook(instance, { concurrency: 4 });
    const story = await scene.tell(webhook, EVENTS, `w${at}`);
    for (let round = 0; round < ROUNDS; round++) {
      asked.push({ id: await scene.replay(instance, webhook, story, { maxRate: 100 }), story });
    }
  }
  return asked;
}

/** True when the victim is gone. */
async function strike(
  fault: (typeof FAULTS)[number],
  victim: Instance,
  jobId: string,
  jobs: readonly Asked[],
): Promise<boolean> {
  if (fault === 'kill') await victim.kill();
  else if (fault === 'stop') expect(await victim.stop(), victim.log).toBe(0);
  else if (fault === 'connections') await killConnections(scene.database);
  else if (fault === 'pause') {
    await steer(jobId, 'PAUSE_REQUESTED');
    await moreRequests(10, jobs);
    await steer(jobId, 'RESUME_REQUESTED');
  } else {
    victim.signal('SIGSTOP');
    if (fault === 'nap') await moreRequests(20, jobs);
    else await scene.fact('its replays are taken over', async () => !(await ownsAny(victim)));
    victim.signal('SIGCONT');
  }
  return fault === 'kill' || fault === 'stop';
}

async function steer(id: string, type: 'PAUSE_REQUESTED' | 'RESUME_REQUESTED'): Promise<void> {
  await scene.fact(`${type} is told`, async () => {
    await scene.store.steer(DEFAULT_TENANT, asJobId(id), { type, by: 'chaos', why: 'to see what happens' });
    return true;
  });
}

async function ownsAny({ name }: Instance): Promise<boolean> {
  const rows = await scene.database.query('SELECT id FROM replay_jobs WHERE owner LIKE ?', [`${name}-%`]);
  return rows.length > 0;
}

async function areLive(jobs: readonly Asked[]): Promise<boolean> {
  let live = false;
  await scene.fact('all states can be read', async () => {
    const states = await Promise.all(jobs.map(async ({ id }) => (await scene.job(id)).state));
    live = states.some((state) => !ENDED.includes(state));
    return true;
  });
  return live;
}

/** Until so many more requests came, or nothing more will. */
async function moreRequests(count: number, jobs: readonly Asked[]): Promise<void> {
  const target = scene.receiver.requests + count;
  await scene.fact('requests come', async () => scene.receiver.requests >= target || !(await areLive(jobs)));
}

/** mulberry32: the same choices for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
