// What a receiver of the chaos may do wrong, and what its client then sees at least of an answer.

import type { ScriptedAnswer } from '../support/receiver.ts';
import type { Misbehaviour } from '../support/misbehaviour.ts';

export type Behaviour = ScriptedAnswer | Misbehaviour | 'down';

/** Faults of the webhook's URL, which is changed by REST and back: how it becomes a bad one. */
export const BAD_URLS: Readonly<Record<string, (url: string) => string>> = {
  'TLS failure': (url) => url.replace('http:', 'https:'),
  'DNS failure': () => 'https://nowhere.invalid/hook',
};

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
  '500': { status: 500 },
  '503 with Retry-After': { status: 503, headers: { 'retry-after': '1' } },
  '429': { status: 429 },
  '429 with Retry-After': { status: 429, headers: { 'retry-after': '1' } },
  '401': { status: 401 },
  '410': { status: 410 },
};

/** Misbehaviours that begin with the head of a whole answer: the status that counts. */
export const HEAD_SENT: Readonly<Partial<Record<Misbehaviour, number>>> = {
  drip: 200,
  hugeBody: 200,
  brokenBody: 200,
  redirect: 302,
};
