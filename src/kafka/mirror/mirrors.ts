// The mirrored topics of all sites: their proofs for a job, and the watch over how far they are behind. Here the sites'
// connections meet what is only about two ends of one mirror.

import { siteOf } from '../../domain/ids.ts';
import type { SourceName } from '../../domain/ids.ts';
import type { Pin } from '../../domain/job.ts';
import type { EndsRequest, PinnedEnds, Upstream } from '../../domain/log.ts';
import type { Emit } from '../../domain/signals.ts';
import type { Connections } from '../connections.ts';
import { copyProof } from './copy-proof.ts';
import type { CopyEvidence, MirrorWait } from './copy-proof.ts';
import { watchMirrors } from './lag.ts';
import type { MirroredTopic } from './lag.ts';

export class Mirrors {
  readonly #sites: readonly Connections[];
  readonly #emit: Emit;

  constructor(sites: readonly Connections[], emit: Emit) {
    this.#sites = sites;
    this.#emit = emit;
  }

  /**
   * The ends of the copies among `pins`. One whose upstream is read itself is looked at once and never waited for; it
   * has evidence only when it is whole.
   */
  async prove(pins: readonly Pin[], request: EndsRequest, signal: AbortSignal): Promise<PinnedEnds> {
    const copies = pins.filter(({ copyOf }) => copyOf !== undefined);
    const isNeedless = ({ copyOf }: Pin): boolean =>
      copyOf !== undefined && request.readThemselves.has(copyOf);
    const [waited, looked] = await Promise.all([
      this.#prove(
        copies.filter((pin) => !isNeedless(pin)),
        request,
        request.mirrorWaitMs,
        signal,
      ),
      this.#prove(copies.filter(isNeedless), request, 0, signal),
    ]);
    const told = [...waited, ...looked.filter(({ evidence }) => evidence === 'endOffsets')];
    return {
      ends: Object.fromEntries([...waited, ...looked].map(({ source, end }) => [source, end])),
      evidence: Object.fromEntries(told.map(({ source, evidence }) => [source, evidence])),
    };
  }

  /** Measures how far the copies are behind until `signal` aborts; never rejects. */
  async watch(intervalMs: number, signal: AbortSignal): Promise<void> {
    const mirrors = this.#sites.flatMap((connections) => {
      const { name, topics, upstreams = {} } = connections.site;
      return topics.flatMap((topic): MirroredTopic[] => {
        const from = upstreams[topic];
        const there = from && this.#connectionsOf(from.site);
        return there
          ? [{ upstream: { ...from, connections: there }, copy: { site: name, topic, connections } }]
          : [];
      });
    });
    if (mirrors.length > 0) await watchMirrors({ mirrors, intervalMs }, this.#emit, signal);
  }

  #prove(
    pins: readonly Pin[],
    request: EndsRequest,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<readonly CopyEvidence[]> {
    const upstreams: Record<SourceName, Upstream> = {};
    for (const { source, copyOf } of pins) if (copyOf !== undefined) upstreams[source] = upstreamOf(copyOf);
    return copyProof(
      {
        pins,
        upstreams,
        site: (name) => this.#connectionsOf(name) ?? null,
        notBeforeMs: request.settledAtMs,
        fromMs: request.fromMs,
        limitMs,
        upstreamLimitMs: limitMs,
        onWait: (source: SourceName, wait: MirrorWait | null) => request.onWait(source, wait?.why ?? null),
      },
      signal,
    );
  }

  #connectionsOf(name: string): Connections | undefined {
    return this.#sites.find(({ site }) => site.name === name);
  }
}

function upstreamOf(source: SourceName): Upstream {
  const site = siteOf(source);
  return { site, topic: source.slice(site.length + 1) };
}
