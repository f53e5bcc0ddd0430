// What the children of one claim share: the job as it was claimed, its lease, its gate, its progress, and the
// pipes between them. One run per claim; a reclaimed job gets a new one.
// Everything here lives in the owner's process only; what must survive it goes through the gate.

import type { LogEvent, EventBatch } from '../domain/log.ts';
import type { PauseReason, Pin } from '../domain/job.ts';
import type { Claim, JobView, HeartbeatDetail } from '../domain/store.ts';
import type { LocalEvent } from '../machines/replay-job/machine.ts';
import type { JobContext } from '../machines/replay-job/context.ts';
import type { Edges } from './edges.ts';
import type { Gate } from './gate.ts';
import type { Lease } from './lease.ts';
import type { BudgetShare } from './memory-budget.ts';
import { Pipe } from './pipe.ts';
import type { Progress } from './progress.ts';

export type Phase = HeartbeatDetail['phase'];

/** Two batches per source: one being used, one waiting. A budget shared by sources would stall the merge. */
const SOURCE_CREDITS = 2;
/** Chunks between dedupe and delivery. What is queued there is owed, so it stays short. */
const WORK_CREDITS = 1;

export class Run {
  readonly claim: Claim;
  readonly edges: Edges;
  readonly lease: Lease;
  readonly progress: Progress;
  readonly budget: BudgetShare;
  /** One per source, in the order of the pins; empty before the offsets are pinned. */
  readonly sources: { readonly pin: Pin; readonly batches: Pipe<EventBatch> }[] = [];
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
    this.cutSavedMs = edges.clock.monoMs();
  }

  /** Somebody wants the job to stop, the endpoint does, or the instance. */
  get isStopping(): boolean {
    return this.stopping !== null || this.endpointPause !== null || this.context().wanted !== null;
  }

  get job(): JobView {
    return this.claim.job;
  }

  /** Opens one pipe per pin; called once, as ONGOING is entered. */
  openSources(pins: readonly Pin[]): void {
    for (const pin of pins) {
      const batches = new Pipe<EventBatch>(SOURCE_CREDITS);
      batches.onEmpty = () => this.budget.nudge();
      this.sources.push({ pin, batches });
      if (!this.progress.cut.has(pin.source)) this.progress.cut.begin(pin.source, pin.start);
    }
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
    for (const { batches } of this.sources) batches.abort();
    this.work.abort();
  }
}
