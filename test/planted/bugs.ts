// The planted bugs: what each is, which tests must turn red with it, and which must stay green, so that red means
// the bug and not a tree that does not run. The change itself is <name>.patch beside this file. `npm run planted`
// proves it; test/unit/planted sees to it that patches and names stay those of the tree.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePatch } from './patch.ts';
import type { FilePatch } from './patch.ts';

export interface NamedTest {
  readonly file: string;
  /** Its title, without those of its describes. */
  readonly title: string;
}

export interface Bug {
  readonly name: string;
  /** All of them fail with the bug. */
  readonly caughtBy: readonly NamedTest[];
  /** All of them still pass with it. */
  readonly spares: readonly NamedTest[];
}

const named =
  (file: string) =>
  (title: string): NamedTest => ({ file, title });
const crashes = named('test/unit/actors/crashes.test.ts');
const sites = named('test/unit/actors/sites.test.ts');
const whole = named('test/unit/domain/whole.test.ts');
const takeover = named('test/unit/actors/takeover.test.ts');
const wedged = named('test/unit/actors/wedged.test.ts');
const jobs = named('test/integration/store/jobs.test.ts');
const faults = named('test/integration/store/faults.test.ts');
const isolation = named('test/integration/store/isolation.test.ts');
const reading = named('test/integration/kafka/reading.test.ts');
const disorder = named('test/e2e/replay-disorder.test.ts');
const sleep = named('test/e2e/fault-sleep.test.ts');

const OLD_OWNER = [
  jobs('is reclaimed once, with a higher fence and the last cut; the old owner changes nothing'),
  sleep('heartbeats, cuts and facts of an old fence are refused, and change no column'),
];
const CLAIMS = [jobs('gives the job with fence 1, a lease and what is durable; then nothing is left')];
const ANY_CRASH = crashes('loses nothing, sends nothing foreign, and repeats within its bound');
const IN_FLIGHT = takeover('sends what was in flight, though the cut has passed its copy');
const COPY = takeover('drops a copy of what the owner before it has delivered');

export const BUGS: readonly Bug[] = [
  { name: 'no-fence', caughtBy: OLD_OWNER, spares: CLAIMS },
  { name: 'state-only-guard', caughtBy: OLD_OWNER, spares: CLAIMS },
  { name: 'cut-before-answers', caughtBy: [ANY_CRASH, IN_FLIGHT], spares: [COPY] },
  { name: 'plain-checkpoint', caughtBy: [ANY_CRASH, IN_FLIGHT], spares: [COPY] },
  { name: 'memory-not-rebuilt', caughtBy: [ANY_CRASH, COPY], spares: [IN_FLIGHT] },
  {
    name: 'heartbeat-by-timer',
    caughtBy: [wedged('loses its lease, and another one ends the job')],
    spares: [wedged('keeps its lease while it has declared a wait')],
  },
  {
    name: 'repeatable-read',
    caughtBy: [
      isolation('a claimer that finds no job keeps nobody from asking for one'),
      faults('is spoken to in READ COMMITTED, UTC and strict sessions'),
    ],
    spares: CLAIMS,
  },
  {
    name: 'end-by-lookup',
    caughtBy: [
      reading('is not cut by one record of a fast clock'),
      disorder('behind a record of a producer whose clock is 50 minutes fast'),
      disorder('behind the offset at which the log had passed `to`'),
    ],
    spares: [reading('gives events their identity: the last header, else the hash of the value')],
  },
  {
    name: 'minutes-taken-for-done',
    caughtBy: [sites('loses nothing, sends nothing foreign, and repeats within its bound')],
    spares: [sites('is left for the other one when its log was replaced')],
  },
  {
    name: 'copy-taken-for-whole',
    caughtBy: [whole('is not read whole while nothing proves a copy')],
    spares: [whole('does not suffer from gaps of a site that was left')],
  },
];

export const patchFile = (name: string): string => join(import.meta.dirname, `${name}.patch`);

export const patchOf = ({ name }: Bug): readonly FilePatch[] =>
  parsePatch(readFileSync(patchFile(name), 'utf8'));
