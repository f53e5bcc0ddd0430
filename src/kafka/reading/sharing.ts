// Who reads together, as a pure rule. The groups of one partition stand at different places of it; each asks what
// to do next. What the rule is for: a regional outage asks for the same hours of the same partitions for hundreds of
// webhooks within seconds, and the brokers must not read their disks hundreds of times.
//
//   wait    nobody wants more, or somebody behind is about to catch up and will read along from here
//   split   somebody is full while another one has nothing: the full ones go on later, as a group of their own
//   merge   another group stands exactly here
//   read    up to where the next group ahead stands: it has read what follows, and merging costs nothing
//
// Bounds: a group waits for others at most PATIENCE_MS between two merges, a hungry member for a full one at most
// GRACE_MS, so no job is slowed by its neighbours for longer than that.

/** What a hungry member waits for the full ones of its group before they part. */
export const GRACE_MS = 50;
/** What a group waits in all for those close behind. */
export const PATIENCE_MS = 250;
/** A new group on a partition that is being read waits so long for others like it: claims come one by one. */
export const GATHER_MS = 20;
/** How much of the log lies between two groups that wait for each other. */
export const REACH_BYTES = 32 * 1024 * 1024;

export interface Standing {
  readonly position: number;
  /** Somebody has no room; nothing can be read for the others before that changes. */
  readonly isFull: boolean;
  /** Since when somebody has had nothing to do (monotonic ms); null when nobody. */
  readonly hungrySinceMs: number | null;
  /** Whether somebody has less than half of what it may hold. */
  readonly wantsMore: boolean;
  /** Reads nothing before (monotonic ms). */
  readonly gathersUntilMs: number;
  /** What is left of the time that it waits for others. */
  readonly patienceMs: number;
}

export type Turn<Group> =
  | { readonly do: 'read' }
  | { readonly do: 'split' }
  | { readonly do: 'merge'; readonly into: Group }
  /** `forOthers`: it counts against the patience. */
  | { readonly do: 'wait'; readonly ms: number; readonly forOthers: boolean };

/** `others`: the other groups of the partition. `bytesPerOffset`: 0 while unknown, then all are within reach. */
export function turnOf<Group extends Standing>(
  group: Standing,
  others: readonly Group[],
  bytesPerOffset: number,
  nowMs: number,
): Turn<Group> {
  const { position } = group;
  const here = others.find((other) => other.position === position);
  if (here && !group.isFull && !here.isFull) return { do: 'merge', into: here };
  if (group.gathersUntilMs > nowMs) return wait(group.gathersUntilMs - nowMs);
  if (group.isFull) {
    if (group.hungrySinceMs === null) return wait(Infinity);
    const leftMs = group.hungrySinceMs + GRACE_MS - nowMs;
    return leftMs <= 0 ? { do: 'split' } : wait(leftMs);
  }
  const isNear = (other: Standing): boolean =>
    Math.abs(other.position - position) * bytesPerOffset <= REACH_BYTES;
  const isComing = others.some((other) => other.position < position && !other.isFull && isNear(other));
  if (isComing && group.patienceMs > 0) return { do: 'wait', ms: group.patienceMs, forOthers: true };
  const isCatchingUp = others.some((other) => other.position > position && isNear(other));
  return group.wantsMore || isCatchingUp ? { do: 'read' } : wait(Infinity);
}

function wait(ms: number): { readonly do: 'wait'; readonly ms: number; readonly forOthers: boolean } {
  return { do: 'wait', ms, forOthers: false };
}

/** Up to where a group reads: the place of the nearest one ahead. */
export function limitOf(position: number, others: readonly Standing[]): number {
  let limit = Infinity;
  for (const other of others) if (other.position > position) limit = Math.min(limit, other.position);
  return limit;
}
