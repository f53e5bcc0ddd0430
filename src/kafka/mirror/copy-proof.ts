// The ends of a job's mirrored sources, each with the evidence that the copy is whole below it. Owned here: how long
// to ask, in which steps, and which evidence is left when the best cannot be had.
//
//   seen                                      endOffsets   the only one that lets a job be complete
//   upstream away for `upstreamLimitMs`,
//   and a heartbeat of after `to` + settle    heartbeats   cannot see one stuck partition
//   `limitMs` over, or nobody will know       none         the end is what the copy has then
//
// Refuses: rejecting for anything but an abort. So the copy's own site is asked for its end until it answers.

import { systemClock } from '../../domain/clock.ts';
import type { Clock } from '../../domain/clock.ts';
import { messageOf } from '../../domain/errors.ts';
import { siteOf } from '../../domain/ids.ts';
import type { SourceName } from '../../domain/ids.ts';
import type { Evidence, Pin } from '../../domain/job.ts';
import type { Upstream } from '../../domain/log.ts';
import { LATEST } from '../client.ts';
import type { Connections } from '../connections.ts';
import { abortError, untilAborted, waitMs } from '../retrying.ts';
import { aliasOf, heartbeatSince } from './heartbeats.ts';
import { CopyProver } from './prove-copy.ts';
import type { CopyState, MirrorEnd } from './prove-copy.ts';

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;

export interface CopyEvidence {
  readonly source: SourceName;
  readonly evidence: Evidence;
  /** Where the copy may be pinned. */
  readonly end: number;
  readonly why: string;
}

export interface MirrorWait {
  readonly source: SourceName;
  readonly state: Exclude<CopyState['state'], 'seen'>;
  readonly lagMs: number | null;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  readonly why: string;
}

export interface CopyQuestion {
  /** Of the site that is read; those that `upstreams` does not name are no copies and are left out. */
  readonly pins: readonly Pin[];
  readonly upstreams: Readonly<Record<SourceName, Upstream>>;
  /** The connections of a site; null when it is not configured. */
  readonly site: (name: string) => Pick<Connections, 'use'> | null;
  /** `to` + settle. The caller asks at or after it, by the database's clock; a heartbeat must be as young. */
  readonly notBeforeMs: number;
  /** The range's beginning. */
  readonly fromMs: number;
  /** How long in all. */
  readonly limitMs: number;
  /** How long the upstream may be away before heartbeats are taken. */
  readonly upstreamLimitMs: number;
  /** Told when what is waited for changes; null when the wait of that source is over. */
  readonly onWait?: (source: SourceName, wait: MirrorWait | null) => void;
  readonly clock?: Clock;
  /** Rejects when the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** One per mirrored source, in the pins' order. Rejects with AbortError, or RepriseError when a site is not configured. */
export async function copyProof(
  question: CopyQuestion,
  signal: AbortSignal,
): Promise<readonly CopyEvidence[]> {
  const watches = question.pins.flatMap((pin) => {
    const upstream = question.upstreams[pin.source];
    return upstream === undefined ? [] : [new CopyWatch(question, pin, upstream)];
  });
  return await Promise.all(watches.map((watch) => watch.evidence(signal)));
}

/** The loop of one source. */
class CopyWatch {
  readonly #question: CopyQuestion;
  readonly #pin: Pin;
  readonly #copy: MirrorEnd;
  readonly #prover: CopyProver;
  readonly #alias: string;
  readonly #clock: Clock;
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<void>;
  #told: MirrorWait | null = null;

  constructor(question: CopyQuestion, pin: Pin, upstream: Upstream) {
    this.#question = question;
    this.#pin = pin;
    this.#clock = question.clock ?? systemClock;
    this.#wait = question.wait ?? waitMs;
    this.#alias = aliasOf(pin.topic, upstream);
    this.#copy = endAt(question, siteOf(pin.source), pin.topic);
    const mirror = {
      upstream: endAt(question, upstream.site, upstream.topic),
      copy: this.#copy,
      partition: pin.partition,
    };
    this.#prover = new CopyProver(mirror, question.fromMs);
  }

  async evidence(signal: AbortSignal): Promise<CopyEvidence> {
    try {
      return await this.#decide(signal);
    } finally {
      if (this.#told !== null) this.#question.onWait?.(this.#pin.source, null);
    }
  }

  async #decide(signal: AbortSignal): Promise<CopyEvidence> {
    const { limitMs, upstreamLimitMs } = this.#question;
    const { source } = this.#pin;
    const startMs = this.#clock.monoMs();
    let awaySinceMs: number | null = null;
    for (let attempt = 0; ; attempt++) {
      const state = await this.#prover.poll(signal);
      const nowMs = this.#clock.monoMs();
      if (state.state === 'seen') return { source, evidence: 'endOffsets', end: state.end, why: state.why };
      const leftMs = state.state === 'unknown' ? 0 : limitMs - (nowMs - startMs);
      awaySinceMs = state.state === 'upstream_unreachable' ? (awaySinceMs ?? nowMs) : null;
      const isAway = awaySinceMs !== null && (nowMs - awaySinceMs >= upstreamLimitMs || leftMs <= 0);
      if (isAway && (await this.#showsHeartbeat(signal))) {
        return { source, evidence: 'heartbeats', end: await this.#end(signal), why: state.why };
      }
      if (leftMs <= 0) return { source, evidence: 'none', end: await this.#end(signal), why: state.why };
      this.#tell(state);
      await this.#wait(Math.min(stepMs(attempt), leftMs), signal);
    }
  }

  /** No answer is none: there may be no such topic. */
  async #showsHeartbeat(signal: AbortSignal): Promise<boolean> {
    const { notBeforeMs } = this.#question;
    const asked = heartbeatSince(this.#copy.connections, this.#alias, notBeforeMs);
    try {
      return await untilAborted(asked, signal);
    } catch {
      if (signal.aborted) throw abortError(signal);
      return false;
    }
  }

  /** What the copy has now; the evidence was there before. */
  async #end(signal: AbortSignal): Promise<number> {
    const { connections, topic } = this.#copy;
    const { source, partition } = this.#pin;
    for (let attempt = 0; ; attempt++) {
      try {
        const asked = connections.use(topic, attempt === 0 ? 'idle' : 'after_failure', (connection) =>
          connection.offsetAt(topic, partition, LATEST),
        );
        const { offset } = await untilAborted(asked, signal);
        return offset;
      } catch (error) {
        if (signal.aborted) throw abortError(signal);
        this.#tell({ state: 'copy_unreachable', why: `${source}: ${messageOf(error)}` });
        await this.#wait(stepMs(attempt), signal);
      }
    }
  }

  #tell(state: Exclude<CopyState, { state: 'seen' }>): void {
    const { source } = this.#pin;
    const lagMs = state.state === 'behind' ? state.lagMs : null;
    const told = this.#told;
    if (told?.state === state.state && told.why === state.why && told.lagMs === lagMs) return;
    const sinceMs = told?.state === state.state ? told.sinceMs : this.#clock.wallMs();
    this.#told = { source, state: state.state, lagMs, sinceMs, why: state.why };
    this.#question.onWait?.(source, this.#told);
  }
}

/** 250 ms, doubling up to 5 s. */
export function stepMs(attempt: number): number {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
}

function endAt(question: CopyQuestion, site: string, topic: string): MirrorEnd {
  return { site, topic, connections: question.site(site) ?? unconfigured(site) };
}

/** Only its own site is in some configurations: the upstream then counts as one that is away. */
function unconfigured(site: string): Pick<Connections, 'use'> {
  return { use: () => Promise.reject(new Error(`site ${site} is not configured`)) };
}
