// Faults of MirrorMaker: killed (what it had copied since its last flush is copied again), frozen, away until it is
// far behind, or running with one direction not copied. The last one comes in two kinds: the flow is missing, or only
// the topic is, as with a stuck task: heartbeats go on then, and say that all is well.

import type { MirrorFlow } from '../../scripts/stack/mirror-flows.ts';
import { allFlows } from '../../scripts/stack/mirror-flows.ts';
import type { World } from './world.ts';

const FAULTS = [
  'kill -9 of MirrorMaker',
  'SIGSTOP of MirrorMaker',
  'MirrorMaker far behind',
  'MirrorMaker without one direction',
  'MirrorMaker with a stuck topic',
  'MirrorMaker with a stuck topic',
] as const;
type Fault = (typeof FAULTS)[number];
const NO_TOPIC = 'no-such-topic';
/** How long each lasts. A start of MirrorMaker alone takes 5 to 15 s. */
const LASTS_MS: Readonly<Record<Fault, readonly [number, number]>> = {
  'kill -9 of MirrorMaker': [0, 3_000],
  'SIGSTOP of MirrorMaker': [1_000, 9_000],
  'MirrorMaker far behind': [12_000, 25_000],
  'MirrorMaker without one direction': [20_000, 35_000],
  'MirrorMaker with a stuck topic': [25_000, 40_000],
};

export async function mirrorFaults(world: World): Promise<void> {
  const random = world.random.fork('mirror');
  const draw = random.bag(FAULTS);
  const { stack, timeline } = world;
  const flows = allFlows(stack.sites.map(({ name }) => name));
  for (;;) {
    const fault = draw();
    const restMs = random.int(12_000, 22_000);
    const ms = random.int(...LASTS_MS[fault]);
    const left = random.pick(flows);
    await world.pause(restMs);
    if (world.isEnding) return;
    timeline.fault(fault, { ms, left: `${left.from}->${left.to}` });
    if (fault === 'SIGSTOP of MirrorMaker') {
      stack.freezeMirror();
      await world.pause(ms);
      stack.thawMirror();
    } else {
      await stack.killMirror();
      const meanwhile = flowsDuring(fault, flows, left);
      if (meanwhile) await stack.startMirror(meanwhile);
      await world.pause(ms);
      await stack.killMirror();
      await stack.startMirror();
    }
    timeline.note('MirrorMaker is back');
  }
}

/** null = it does not run. */
function flowsDuring(
  fault: Fault,
  flows: readonly MirrorFlow[],
  left: MirrorFlow,
): readonly MirrorFlow[] | null {
  if (fault === 'MirrorMaker without one direction') return flows.filter((flow) => flow !== left);
  if (fault !== 'MirrorMaker with a stuck topic') return null;
  return flows.map((flow) => (flow === left ? { ...flow, topics: [NO_TOPIC] } : flow));
}
