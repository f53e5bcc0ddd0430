// The law of a replay job: which fact may follow in which state. Used twice: purely, by the store, to decide
// whether a fact is legal (decide.ts); and live, in the owner's process, where entering a state starts the
// child actors that actors/job provides. Durable edges are facts in UPPER_SNAKE and each assigns `lastFact`
// (an accepted edge that assigned nothing would look refused); `local.*` events move only substates that
// nothing stores. No onDone, onError or after: those would move the state outside the write-ahead gate.

import { assign, fromCallback, setup } from 'xstate';
import type { Fact } from '../../domain/fact.ts';
import { mayBeWhole } from '../../domain/whole.ts';
import { evolve, NO_JOB } from './context.ts';
import type { JobContext } from './context.ts';

/** Events that live only in the owner's process. */
export type LocalEvent =
  | { readonly type: 'local.rebuilding' }
  | { readonly type: 'local.streaming' }
  | { readonly type: 'local.throttled' }
  | { readonly type: 'local.waiting' }
  | { readonly type: 'local.draining' }
  | { readonly type: 'local.leaseHeld' }
  | { readonly type: 'local.leaseDoubtful' };

/** Roles of states, for SQL, REST and metrics: `statesTagged` reads them. */
export type StateTag = 'claimable' | 'leased' | 'live' | 'terminal';

/** Children stand still until actors/job provides the living ones. */
const absent = fromCallback(() => undefined);

const base = setup({
  types: {
    context: {} as JobContext,
    events: {} as Fact | LocalEvent,
    tags: '' as StateTag,
  },
  actors: {
    heartbeat: absent,
    offsetLookup: absent,
    partitionStream: absent,
    dedupe: absent,
    delivery: absent,
  },
  actions: {
    applyFact: assign(({ context, event }) => (isLocal(event) ? context : evolve(context, event))),
  },
  guards: {
    raisesFence: ({ context, event }) => 'fence' in event && event.fence === context.fence + 1,
    claims: ({ context, event }) =>
      'fence' in event && event.fence === context.fence + 1 && context.wanted === null,
    holdsFence: ({ context, event }) => 'fence' in event && event.fence === context.fence,
    resolvesFirst: ({ context, event }) =>
      'fence' in event && event.fence === context.fence && context.pins === null,
    continues: ({ context, event }) =>
      'fence' in event && event.fence === context.fence && context.pins !== null,
    endsMissing: ({ context, event }) =>
      'fence' in event &&
      event.fence === context.fence &&
      context.pins !== null &&
      context.pins.some((pin) => pin.end === null && !pin.isLeft),
    endsPinned: ({ context, event }) =>
      'fence' in event &&
      event.fence === context.fence &&
      context.pins !== null &&
      context.pins.every((pin) => pin.end !== null || pin.isLeft) &&
      (event.type !== 'DRAINED' || event.outcome !== 'complete' || mayBeWhole(context.pins)),
    pauses: ({ context, event }) =>
      event.type === 'PAUSED' &&
      event.fence === context.fence &&
      (context.wanted === 'pause' || (event.reason !== 'requested' && context.wanted !== 'cancel')),
    pausesUnleased: ({ context, event }) =>
      event.type === 'PAUSED' && event.fence === context.fence && context.wanted === 'pause',
    cancels: ({ context, event }) =>
      'fence' in event && event.fence === context.fence && context.wanted === 'cancel',
    pausePending: ({ context }) => context.wanted === 'pause',
    notCancelling: ({ context }) => context.wanted !== 'cancel',
  },
});

function isLocal(event: Fact | LocalEvent): event is LocalEvent {
  return event.type.startsWith('local.');
}

const requests = {
  PAUSE_REQUESTED: { guard: 'notCancelling', actions: 'applyFact' },
  CANCEL_REQUESTED: { guard: 'notCancelling', actions: 'applyFact' },
  LIMITS_CHANGED: { actions: 'applyFact' },
} as const;

/** Edges of both leased states. Without a target the children go on undisturbed. */
const leased = {
  ...requests,
  RESUME_REQUESTED: { guard: 'pausePending', actions: 'applyFact' },
  RECLAIMED: { guard: 'raisesFence', target: '#replayJob.STARTED', actions: 'applyFact', reenter: true },
  RELEASED: { guard: 'holdsFence', target: '#replayJob.OPEN', actions: 'applyFact' },
  FAILED: { guard: 'holdsFence', target: '#replayJob.FAILED', actions: 'applyFact' },
  PAUSED: { guard: 'pauses', target: '#replayJob.PAUSED', actions: 'applyFact' },
  CANCELLED: { guard: 'cancels', target: '#replayJob.CANCELLED', actions: 'applyFact' },
  SITE_SWITCHED: { guard: 'continues', actions: 'applyFact' },
} as const;

export const replayJobMachine = base.createMachine({
  id: 'replayJob',
  context: NO_JOB,
  initial: 'NEW',
  states: {
    NEW: {
      description: 'Before the first fact; never stored.',
      on: { REQUESTED: { target: 'OPEN', actions: 'applyFact' } },
    },
    OPEN: {
      description: 'Waits for its turn at its webhook and for an instance.',
      tags: ['claimable', 'live'],
      on: {
        ...requests,
        CLAIMED: { guard: 'claims', target: 'STARTED', actions: 'applyFact' },
        PAUSED: { guard: 'pausesUnleased', target: 'PAUSED', actions: 'applyFact' },
        CANCELLED: { guard: 'cancels', target: 'CANCELLED', actions: 'applyFact' },
      },
    },
    STARTED: {
      description: 'Leased: the owner pins the range, or takes up the pins of an earlier owner.',
      tags: ['leased', 'live'],
      invoke: [
        { src: 'heartbeat', id: 'heartbeat' },
        { src: 'offsetLookup', id: 'offsetLookup' },
      ],
      on: {
        ...leased,
        OFFSETS_RESOLVED: { guard: 'resolvesFirst', target: 'ONGOING', actions: 'applyFact' },
        CONTINUED: { guard: 'continues', target: 'ONGOING', actions: 'applyFact' },
        NOTHING_TO_REPLAY: { guard: 'resolvesFirst', target: 'COMPLETED', actions: 'applyFact' },
      },
    },
    ONGOING: {
      description: 'Leased: events flow from the log to the webhook.',
      tags: ['leased', 'live'],
      type: 'parallel',
      invoke: [
        { src: 'heartbeat', id: 'heartbeat' },
        { src: 'partitionStream', id: 'partitionStream' },
        { src: 'dedupe', id: 'dedupe' },
        { src: 'delivery', id: 'delivery' },
      ],
      on: {
        ...leased,
        ENDS_PINNED: { guard: 'endsMissing', actions: 'applyFact' },
        DRAINED: { guard: 'endsPinned', target: 'COMPLETED', actions: 'applyFact' },
      },
      states: {
        work: {
          initial: 'streaming',
          on: {
            'local.rebuilding': '.rebuilding',
            'local.streaming': '.streaming',
            'local.throttled': '.throttled',
            'local.waiting': '.waiting',
            'local.draining': '.draining',
          },
          states: {
            rebuilding: { description: 'Reads [start, cut) again to fill the dedupe memory.' },
            streaming: { description: 'Reads and delivers.' },
            throttled: { description: 'Held by the rate, the window or the receiver.' },
            waiting: { description: 'Nothing to do until the ends can be pinned or the log answers.' },
            draining: { description: 'All is read; the last events are in flight.' },
          },
        },
        lease: {
          initial: 'held',
          states: {
            held: { on: { 'local.leaseDoubtful': 'doubtful' } },
            doubtful: {
              description: 'The last heartbeat is too old: nothing is handed to a socket.',
              on: { 'local.leaseHeld': 'held' },
            },
          },
        },
      },
    },
    PAUSED: {
      description: 'Nobody works on it and it does not hold its webhook; RESUMED makes it OPEN.',
      tags: ['live'],
      on: {
        CANCEL_REQUESTED: { actions: 'applyFact' },
        LIMITS_CHANGED: { actions: 'applyFact' },
        RESUME_REQUESTED: { actions: 'applyFact' },
        RESUMED: { target: 'OPEN', actions: 'applyFact' },
        CANCELLED: { guard: 'cancels', target: 'CANCELLED', actions: 'applyFact' },
      },
    },
    COMPLETED: {
      description: 'All is settled; the outcome says whether anything is missing.',
      tags: ['terminal'],
    },
    CANCELLED: { description: 'Ended on request at its cut.', tags: ['terminal'] },
    FAILED: { description: 'No retry can mend it; the reason says why.', tags: ['terminal'] },
  },
});

export type ReplayJobMachine = typeof replayJobMachine;
