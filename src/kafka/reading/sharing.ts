// Who reads together, as a pure rule. The groups of one partition stand at different places of it; each asks what
// to do next. What the rule is for: a regional outage asks for the same hours of the same partitions for hundreds of
// webhooks within seconds, and the brokers must not read their disks hundreds of times.
//
//   wait    nobody wants more, or somebody behind is about to catch up and will read along from here
//   split   somebody is full while another one has nothing: those with more than half go on later, as a slow group
//   merge   another group stands exactly here
//   read    up to where the next group ahead stands: it has read what follows, and merging costs nothing
//
// A slow group is passed by: the others neither wait for it nor stop where it stands. It is slow until it reaches one
// that is not.
// Bounds: a hungry member waits for full ones at most GRACE_MS, and for those behind at most PATIENCE_MS at once and a
// quarter of its time in the long run. Claims of one outage come over a second or two, each late by what the process
// had to do for those before; and while everybody has something to do, waiting costs nothing.

/**
 * What a hungry member waits for the full ones of its group before they part; longer in a large group, where each is
 * served more seldom.
 */
export const GRACE_MS = 50;
export const GRACE_MEMBERS = 16;
/** What a group with somebody hungry waits for those close behind: so long at once, and that share of its time. */
export const PATIENCE_MS = 2_000;
export const PATIENCE_SHARE = 0.25;
/** A new group on a partition that is being read waits so long for others like it: claims come one by one. */
export const GATHER_MS = 20;
/** How much of the log lies between two groups that wait for each other. */
export const REACH_BYTES = 64 * 1024 * 1024;

export interface Standing {
  readonly position: number;
  /** Somebody has no room; nothing can be read for the others before that changes. */
  readonly isFull: boolean;
  /** Since when somebody has had nothing to do (monotonic ms); null when nobody. */
  readonly hungrySinceMs: number | null;
  /** Members. */
  readonly size: number;
  /** Whether somebody has too little to go on with for a while. */
  readonly wantsMore: boolean;
  /** It was left behind by faster ones. */
  readonly isSlow: boolean;
  /** Reads nothing before (monotonic ms). */
  readonly gathersUntilMs: number;
  /** What is left of the time that it waits for others although somebody is hungry. */
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
  const { position, isFull, isSlow, hungrySinceMs } = group;
  const peers = peersOf(group, others);
  const here = peers.find((other) => other.position === position);
  if (here && !(isSlow && (isFull || here.isFull))) return { do: 'merge', into: here };
  if (group.gathersUntilMs > nowMs) return wait(group.gathersUntilMs - nowMs);
  if (isFull) {
    if (hungrySinceMs === null) return wait(Infinity);
    const graceMs = GRACE_MS * Math.max(1, group.size / GRACE_MEMBERS);
    const leftMs = hungrySinceMs + graceMs - nowMs;
    return leftMs <= 0 ? { do: 'split' } : wait(leftMs);
  }
  const isNear = (other: Standing): boolean =>
    Math.abs(other.position - position) * bytesPerOffset <= REACH_BYTES;
  if (others.some((other) => !other.isSlow && other.position < position && isNear(other))) {
    if (hungrySinceMs === null) return wait(Infinity);
    if (group.patienceMs > 0) return { do: 'wait', ms: group.patienceMs, forOthers: true };
  }
  const isCatchingUp = peers.some((other) => other.position > position && isNear(other));
  return group.wantsMore || isCatchingUp ? { do: 'read' } : wait(Infinity);
}

function wait(ms: number): { readonly do: 'wait'; readonly ms: number; readonly forOthers: boolean } {
  return { do: 'wait', ms, forOthers: false };
}

/** Up to where a group reads: the place of the nearest one ahead. */
export function limitOf(group: Standing, others: readonly Standing[]): number {
  let limit = Infinity;
  for (const { position } of peersOf(group, others)) {
    if (position > group.position) limit = Math.min(limit, position);
  }
  return limit;
}

function peersOf<Group extends Standing>({ isSlow }: Standing, others: readonly Group[]): readonly Group[] {
  return isSlow ? others : others.filter((other) => !other.isSlow);
}
