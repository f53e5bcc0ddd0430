// The machines as documents: walks machine.root and writes Mermaid and a table of edges. The machine definition
// is the only source; a fact that has no edge here is refused everywhere.

import { endpointHealthMachine } from '../../src/machines/endpoint-health.ts';
import { replayJobMachine } from '../../src/machines/replay-job/machine.ts';

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly fact: string;
  readonly guard: string;
}

/** What is used of XState's state nodes, whatever their machine. */
interface Node {
  readonly key: string;
  readonly description?: string | undefined;
  readonly tags: readonly string[];
  readonly type: string;
  readonly initial: { readonly target: readonly { readonly key: string }[] };
  readonly states: Readonly<Record<string, Node>>;
  readonly transitions: ReadonlyMap<string, readonly Transition[]>;
}

interface Transition {
  readonly eventType: string;
  readonly guard?: unknown;
  readonly target?: readonly { readonly key: string }[] | undefined;
}

function edgesOf(node: Node): Edge[] {
  const edges: Edge[] = [];
  for (const state of Object.values(node.states)) {
    for (const transitions of state.transitions.values()) {
      for (const { eventType, guard, target } of transitions) {
        const to = target?.[0]?.key ?? state.key;
        edges.push({ from: state.key, to, fact: eventType, guard: typeof guard === 'string' ? guard : '' });
      }
    }
  }
  return edges;
}

function mermaid(node: Node): string {
  const first = node.initial.target[0]?.key ?? '';
  const lines = ['stateDiagram-v2', '  direction LR', `  [*] --> ${first}`];
  const byPair = new Map<string, string[]>();
  for (const { from, to, fact } of edgesOf(node)) {
    // Requests do not move the state; the table lists them.
    if (from === to && fact !== 'RECLAIMED') continue;
    const pair = `${from} --> ${to}`;
    byPair.set(pair, [...(byPair.get(pair) ?? []), fact]);
  }
  for (const [pair, facts] of byPair) lines.push(`  ${pair}: ${facts.join(' / ')}`);
  for (const state of Object.values(node.states)) {
    if (state.tags.includes('terminal') || state.type === 'final') lines.push(`  ${state.key} --> [*]`);
  }
  return lines.join('\n');
}

function substates(node: Node): string {
  const ongoing = node.states['ONGOING'];
  if (!ongoing) throw new Error('the machine has no ONGOING');
  return Object.values(ongoing.states)
    .flatMap((region) =>
      Object.values(region.states).map(
        (state) => `| ${region.key} | \`${state.key}\` | ${state.description ?? ''} |`,
      ),
    )
    .join('\n');
}

const states = (node: Node): string =>
  Object.values(node.states)
    .map((state) => `| \`${state.key}\` | ${state.tags.join(', ') || '-'} | ${state.description ?? ''} |`)
    .join('\n');

const edges = (node: Node): string =>
  edgesOf(node)
    .map(
      ({ from, to, fact, guard }) =>
        `| \`${fact}\` | ${from} | ${to} | ${guard === '' ? '-' : `\`${guard}\``} |`,
    )
    .join('\n');

/** docs/STATE-MACHINES.md as text. */
export function stateMachines(): string {
  const job = replayJobMachine.root as unknown as Node;
  const health = endpointHealthMachine.root as unknown as Node;
  return `# State machines

Generated from \`src/machines\` by \`npm run generate\`; \`npm run check\` fails when it is out of date.

## The replay job

Each step is a fact: decided by the machine, committed under the fence, and only then acted upon.

\`\`\`mermaid
${mermaid(job)}
\`\`\`

| state | tags | meaning |
| --- | --- | --- |
${states(job)}

### Inside ONGOING

Local to the owner's process; the heartbeat carries them.

| region | substate | meaning |
| --- | --- | --- |
${substates(job)}

### Facts

Without a change of state the children of the state go on undisturbed.

| fact | in | leads to | guard |
| --- | --- | --- | --- |
${edges(job)}

## The health of an endpoint

Local to one run of a job: what the answers of its webhook say about the endpoint, beside each single event.

\`\`\`mermaid
${mermaid(health)}
\`\`\`

| state | tags | meaning |
| --- | --- | --- |
${states(health)}

| event | in | leads to | guard |
| --- | --- | --- | --- |
${edges(health)}
`;
}
