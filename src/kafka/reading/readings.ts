// All that is read in one thread: the groups of each partition, and which of them a new stream joins. The rule of
// who reads together is sharing.ts; here are the groups that it speaks of.

import { logSourceOf } from '../../domain/ids.ts';
import type { SourceName } from '../../domain/ids.ts';
import type { Emit } from '../../domain/signals.ts';
import type { Connections } from '../connections.ts';
import { Member } from './member.ts';
import type { MemberEvents, MemberRequest } from './member.ts';
import { ScanGroup } from './scan-group.ts';
import type { Neighbours } from './scan-group.ts';
import type { ReaderOptions, ReadPlace } from './shared-reader.ts';
import { GATHER_MS, REACH_BYTES } from './sharing.ts';

/** Events of one member that may wait to be taken. */
const WAITING_EVENTS = 2_048;
/** Of all members of a thread together; each has at least the smallest share. */
const WAITING_BYTES = 32 * 1024 * 1024;
const SMALLEST_SHARE = 128 * 1024;
const LARGEST_SHARE = 2 * 1024 * 1024;

/** The connections to the site of a source. */
type ConnectionsOf = (source: SourceName) => Connections;

export class Readings {
  readonly #connectionsOf: ConnectionsOf;
  readonly #options: ReaderOptions;
  readonly #emit: Emit;
  readonly #partitions = new Map<string, PartitionGroups>();
  readonly #members = new Map<Member, PartitionGroups>();

  constructor(connectionsOf: ConnectionsOf, options: ReaderOptions, emit: Emit) {
    this.#connectionsOf = connectionsOf;
    this.#options = options;
    this.#emit = emit;
  }

  /** Throws RepriseError when no site has the source. */
  open(request: MemberRequest, events: MemberEvents): Member {
    const { pin } = request;
    const source = logSourceOf(pin.source);
    const place: ReadPlace = { source, topic: pin.topic, partition: pin.partition };
    const name = `${source}/${pin.partition}`;
    let groups = this.#partitions.get(name);
    if (!groups) {
      const connections = this.#connectionsOf(source);
      groups = new PartitionGroups(place, connections, this.#options, this.#emit, () =>
        this.#partitions.delete(name),
      );
      this.#partitions.set(name, groups);
    }
    const member = new Member(request, events);
    this.#members.set(member, groups);
    this.#share();
    if (!member.isDone) groups.join(member);
    return member;
  }

  close(member: Member): void {
    const groups = this.#members.get(member);
    if (!groups) return;
    this.#members.delete(member);
    member.fail(new DOMException('reading was stopped', 'AbortError'));
    groups.leave(member);
    this.#share();
  }

  #share(): void {
    const even = WAITING_BYTES / Math.max(1, this.#members.size);
    const bytes = Math.min(LARGEST_SHARE, Math.max(SMALLEST_SHARE, even));
    const events = this.#options.waitingEvents ?? WAITING_EVENTS;
    for (const member of this.#members.keys()) member.most = { events, bytes };
  }
}

class PartitionGroups implements Neighbours {
  readonly #place: ReadPlace;
  readonly #connections: Connections;
  readonly #options: ReaderOptions;
  readonly #emit: Emit;
  readonly #onEmpty: () => void;
  readonly #groups = new Set<ScanGroup>();

  constructor(
    place: ReadPlace,
    connections: Connections,
    options: ReaderOptions,
    emit: Emit,
    onEmpty: () => void,
  ) {
    this.#place = place;
    this.#connections = connections;
    this.#options = options;
    this.#emit = emit;
    this.#onEmpty = onEmpty;
  }

  /** To the nearest group that stands before its start, or a group of its own. */
  join(member: Member): void {
    const isNear = ({ position, bytesPerOffset }: ScanGroup): boolean =>
      position <= member.next && (member.next - position) * (bytesPerOffset || Infinity) <= REACH_BYTES;
    const near = [...this.#groups].filter(
      (group) => !group.isSlow && (group.position === member.next || isNear(group)),
    );
    const nearest = near.toSorted((a, b) => b.position - a.position)[0];
    if (nearest) nearest.join(member);
    else {
      const gatherMs = this.#groups.size === 0 ? 0 : GATHER_MS;
      this.#open([member], { position: member.next, gatherMs, isSlow: false });
    }
  }

  leave(member: Member): void {
    for (const group of this.#groups) group.leave(member);
  }

  others(group: ScanGroup): readonly ScanGroup[] {
    return this.#groups.size === 1 ? [] : [...this.#groups].filter((other) => other !== group);
  }

  split(group: ScanGroup): void {
    const slow = [...group.members].filter(({ isLagging }) => isLagging);
    this.#open(slow, { position: group.position, gatherMs: 0, isSlow: true }, group);
  }

  moved(group: ScanGroup): void {
    for (const other of this.others(group)) other.poke();
  }

  ended(group: ScanGroup): void {
    this.#groups.delete(group);
    if (this.#groups.size === 0) this.#onEmpty();
    else this.moved(group);
  }

  #open(
    members: readonly Member[],
    begin: { readonly position: number; readonly gatherMs: number; readonly isSlow: boolean },
    from?: ScanGroup,
  ): void {
    const group = new ScanGroup(
      this,
      { place: this.#place, ...begin },
      this.#connections,
      this.#options,
      this.#emit,
    );
    this.#groups.add(group);
    for (const member of members) {
      from?.leave(member);
      group.join(member);
    }
    void group.run();
  }
}
