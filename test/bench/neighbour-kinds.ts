// The bad neighbour of the neighbours' bench: the kinds of bad, and one replay to such a receiver, resumed by its
// customer whenever it is paused, until it is cancelled.

import type { Instance } from '../support/instance.ts';
import type { Badness, Behaviour } from './bad-receiver-process.ts';
import type { FarProcess } from './far-process.ts';
import { fixed } from './figures.ts';
import type { Busyness } from './machine.ts';
import { lookAt, requestReplay, steer, untilEnded } from './rig.ts';
import type { Replay } from './rig.ts';

const LOOK_MS = 250;
const CANCEL_MS = 40_000;

/** `url`: null = the plain one of the bad receiver. */
export interface Kind {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly url?: (bad: Badness) => string;
}

const FINE = { status: 200 };
export const KINDS: readonly Kind[] = [
  { name: 'hang', behaviour: 'hang' },
  { name: 'body byte by byte', behaviour: 'drip' },
  { name: 'reset', behaviour: 'reset' },
  { name: 'endless 103', behaviour: 'endless103' },
  { name: 'huge body', behaviour: 'hugeBody' },
  { name: 'redirect', behaviour: 'redirect' },
  { name: '429 with Retry-After', behaviour: { status: 429, headers: { 'retry-after': '1' } } },
  { name: '429 without', behaviour: { status: 429 } },
  { name: '503', behaviour: { status: 503 } },
  { name: '401 to everything', behaviour: { status: 401 } },
  { name: 'TLS failure', behaviour: FINE, url: ({ tlsUrl }) => tlsUrl },
  { name: 'DNS failure', behaviour: FINE, url: () => 'https://neighbour.invalid/hook' },
  { name: '20 s answers', behaviour: { status: 200, delayMs: 20_000 } },
];

/** What is disturbed, and with what. */
export interface Disturbed {
  readonly instance: Instance;
  readonly bad: FarProcess;
  readonly badUrls: Badness;
  /** The webhook's id. */
  readonly neighbour: string;
  readonly range: { readonly fromMs: number; readonly toMs: number };
}

/** Begins it; the returned function ends it and tells what became of the neighbour. */
export async function disturb(
  { instance, bad, badUrls, neighbour, range }: Disturbed,
  { behaviour, url }: Kind,
): Promise<(busy: Busyness) => Promise<string>> {
  const target = url ? url(badUrls) : badUrls.url;
  const moved = await instance.call('PATCH', `/v1/webhooks/${neighbour}`, { url: target });
  if (moved.status !== 200) throw new Error(`the neighbour's URL ${target} was refused with ${moved.status}`);
  await bad.ask(behaviour);
  const id = await requestReplay(instance, neighbour, range);
  let resumed = 0;
  const watch = new AbortController();
  const watching = (async () => {
    while (!watch.signal.aborted) {
      if ((await lookAt(instance, id)).state === 'PAUSED' && (await steer(instance, id, 'resume'))) resumed++;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  })();
  // Told where it is awaited.
  watching.catch(() => undefined);
  return async (busy) => {
    watch.abort();
    await watching;
    const replay = await lookAt(instance, id);
    await steer(instance, id, 'cancel');
    // Whatever hangs is let go, or the cancel would wait for the deadline of the requests.
    const { requests, connections } = await bad.ask<Badness>(FINE);
    await untilEnded(instance, id, 'CANCELLED', CANCEL_MS);
    return outcomeOf(replay, { requests, connections, resumed, seconds: busy.elapsedMs / 1_000 });
  };
}

interface Pushed {
  readonly requests: number;
  readonly connections: number;
  readonly resumed: number;
  readonly seconds: number;
}

function outcomeOf({ state, phase: doing, pauseReason, counts }: Replay, pushed: Pushed): string {
  const how = pauseReason ?? doing;
  return [
    how === null ? state : `${state} (${how})`,
    `${fixed(pushed.requests / pushed.seconds)} requests/s on ${fixed(pushed.connections)} sockets`,
    `delivered ${fixed(counts.delivered)}`,
    `dead ${fixed(counts.deadLettered)}`,
    `unanswered ${fixed(counts.unanswered)}`,
    `resumed ${pushed.resumed}x`,
  ].join(', ');
}
