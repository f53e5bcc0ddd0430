// What the children of one claim share: the job as it was claimed, its lease, its gate, its progress, and the
// pipes between them. One run per claim; a reclaimed job gets a new one.
// Everything here lives in the owner's process only; what must survive it goes through the gate.

import type { DedupeMemory } from '../domain/dedupe-memory.ts';
import type { LogEvent, ReadWait } from '../domain/log.ts';
import type { SourceName } from '../domain/ids.ts';
import type { PauseReason, Pin, SwitchReason } from '../domain/job.ts';
import type { Claim, CutWrite, JobView, HeartbeatDetail } from '../domain/store.ts';
import type { LocalEvent } from '../machines/replay-job/machine.ts';
import type { JobContext } from '../machines/replay-job/context.ts';
import type { Edges } from './edges.ts';
import type { Gate } from './gate.ts';
import type { Lease } from './lease.ts';
import type { BudgetShare } from './memory-budget.ts';
import { Pipe } from './pipe.ts';
import type { Progress } from './progress.ts';
import { Reading } from './reading.ts';

export type Phase = HeartbeatDetail['phase'];

/**
 * Chunks between dedupe and delivery. What is queued there is owed, so it stays short; but one more than is asked for,
 * so that delivery sees that a batch need not go short: with 1 batches of 100 went out as 62 on average.
 */
const WORK_CREDITS = 2;

/** failover.ts, as the children see it. */
export interface SiteFailover {
  readonly hasOthers: boolean;
  waits(source: SourceName, wait: ReadWait | null): void;
  watch(signal: AbortSignal): Promise<void>;
  leave(site: string, why: SwitchReason, signal: AbortSignal): Promise<boolean>;
  fillGaps(signal: AbortSignal): Promise<boolean>;
}

export class Run {
  readonly claim: Claim;
  readonly edges: Edges;
  readonly lease: Lease;
  readonly progress: Progress;
  readonly budget: BudgetShare;
  /** What is read now; of no source before the offsets are pinned. */
  reading: Reading;
  /** Moves the job to another site when the present one cannot be read. */
  failover!: SiteFailover;
  /** What a switch by the ledger found to be done, for the dedupe that begins next; null: it reads again. */
  memory: DedupeMemory | null = null;
  /** A switch by the ledger that is being committed: what it makes durable, and whom to tell. */
  switching: { readonly write: CutWrite; readonly applied: () => void } | null = null;
  /** Whether the dedupe memory holds everything below the cut, so that any site can go on. */
  isRemembered = false;
  readonly work = new Pipe<readonly LogEvent[]>(WORK_CREDITS);
  /** Set by the job actor right after construction: gate and live machine need the run first. */
  gate!: Gate;
  tell!: (event: LocalEvent) => void;
  /** What the owner tells of itself, with heartbeats and cuts. */
  detail!: () => HeartbeatDetail;
  /** The live machine's context: pins, limits and wishes as the last committed fact left them. */
  context!: () => JobContext;
  /** Ends the run because a child failed in a way that nobody expected. */
  crash!: (error: unknown) => void;
  /** The database said that the lease is somebody else's; `at` names what was refused. */
  fenced!: (at: string) => void;
  /** The version of the webhook's row that delivery uses, and how it reads the row anew; set by delivery. */
  targetVersion: number | null = null;
  retarget: () => Promise<void> = () => Promise.resolve();
  /** Takes over changed limits; set by delivery. */
  limitsChanged: () => void = () => undefined;
  phase: Phase = 'lookup';
  /** Waits to read together with others of its replay group. */
  isGathering = false;
  isDoubtful = false;
  /** When the last cut became durable, monotonic. */
  cutSavedMs: number;
  /** Who waits -> why: a reason why nothing moves, so the owner is not wedged. */
  readonly waits = new Map<string, string>();
  lastRefusal: string | null = null;
  /** Why the job is to be paused because of its endpoint; set by delivery. */
  endpointPause: PauseReason | null = null;
  /** Kept by delivery for the heartbeat. */
  gauges = { inFlight: 0, window: 0, queued: 0, retrying: 0 };
  /** While the dedupe memory is rebuilt: offsets below the cut that were read again, of how many. */
  rebuilt: { readonly done: number; readonly of: number } | null = null;
  /** Called after each fact that was applied. */
  moved: () => void = () => undefined;
  /** Set when the instance stops: settle, write the cut, release. */
  stopping: string | null = null;
  /** Wakes delivery after anything that it may have waited for. */
  wake: () => void = () => undefined;

  constructor(claim: Claim, edges: Edges, lease: Lease, progress: Progress) {
    this.claim = claim;
    this.edges = edges;
    this.lease = lease;
    this.progress = progress;
    this.budget = edges.budget.share();
    this.reading = new Reading([], () => 0, this.budget);
    this.cutSavedMs = edges.clock.monoMs();
  }

  /** Somebody wants the job to stop, the endpoint does, or the instance. */
  get isStopping(): boolean {
    return this.stopping !== null || this.endpointPause !== null || this.context().wanted !== null;
  }

  get job(): JobView {
    return this.claim.job;
  }

  /** As ONGOING is entered: everything from the start of the pins, also what lies below the cut. */
  openSources(pins: readonly Pin[]): void {
    this.#read(pins, ({ start }) => start);
  }

  /** Goes on with these from where dedupe stands; the reading before ends. */
  readOn(pins: readonly Pin[]): void {
    const present = pins.filter(({ isLeft }) => !isLeft);
    this.#read(present, ({ source }) => this.progress.cut.nextOf(source));
  }

  /** Until nothing that is read has an open end, something else is read, or `signal` aborts. */
  async endsPinned({ signal: left }: Reading, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([left, signal]);
    const isOpen = ({ end, isLeft }: Pin): boolean => end === null && !isLeft;
    while (!either.aborted && this.context().pins?.some(isOpen)) {
      await new Promise<void>((resolve) => {
        this.moved = resolve;
        either.addEventListener('abort', () => {
          resolve();
        });
      });
    }
  }

  #read(pins: readonly Pin[], from: (pin: Pin) => number): void {
    for (const { source, start } of pins) {
      if (!this.progress.cut.has(source)) this.progress.cut.begin(source, start);
    }
    const before = this.reading;
    this.reading = new Reading(pins, from, this.budget);
    before.leave();
  }

  enter(phase: Exclude<Phase, 'lookup'>): void {
    if (this.phase === phase) return;
    this.phase = phase;
    this.tell({ type: `local.${phase}` });
  }

  /** Says why nothing moves at `who` (null: it moves again). A declared wait counts as progress. */
  declareWait(who: string, why: string | null): void {
    if (why === null) this.waits.delete(who);
    else if (this.waits.get(who) !== why) {
      this.waits.set(who, why);
      this.progress.mark++;
    }
  }

  abortPipes(): void {
    this.reading.leave();
    this.work.abort();
  }
}
