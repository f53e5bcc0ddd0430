// What a receiver of the chaos may do wrong, and what its client then sees at least of an answer.

import type { ScriptedAnswer } from '../support/receiver.ts';
import type { Misbehaviour } from '../support/misbehaviour.ts';

export type Behaviour = ScriptedAnswer | Misbehaviour | 'down';

/** Faults of the webhook's URL, which is changed by REST and back: how it becomes a bad one. */
export const BAD_URLS: Readonly<Record<string, (url: string) => string>> = {
  // The receiver speaks plain HTTP there, so every handshake fails.
  'TLS failure': (url) => url.replace('http:', 'https:'),
  'DNS failure': () => 'https://nowhere.invalid/hook',
};

/** Faults that no receiver can see: the request never comes to it as one. */
export const UNSEEN: readonly string[] = ['down', ...Object.keys(BAD_URLS)];
/** Never of a share of the requests only. */
export const TOTAL: readonly string[] = ['down', '401 to everything', '410'];

/** Every receiver fault by name. */
export const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  hang: 'hang',
  reset: 'reset',
  drip: 'drip',
  'drip head': 'dripHead',
  'huge head': 'hugeHead',
  'endless 103': 'endless103',
  'huge body': 'hugeBody',
  'broken body': 'brokenBody',
  'bad protocol': 'badProtocol',
  redirect: 'redirect',
  down: 'down',
  slow: { status: 200, delayMs: 400 },
  'too slow': { status: 200, delayMs: 6_000 },
  '20 s answers': { status: 200, delayMs: 20_000 },
  '500': { status: 500 },
  '503 with Retry-After': { status: 503, headers: { 'retry-after': '1' } },
  '429': { status: 429 },
  '429 with Retry-After': { status: 429, headers: { 'retry-after': '1' } },
  '401 to everything': { status: 401 },
  '401 to some': { status: 401 },
  '410': { status: 410 },
};

/** Misbehaviours that begin with the head of a whole answer: the status that counts. */
export const HEAD_SENT: Readonly<Partial<Record<Misbehaviour, number>>> = {
  drip: 200,
  hugeBody: 200,
  brokenBody: 200,
  redirect: 302,
};
