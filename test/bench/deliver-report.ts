// What the delivery bench prints: the senders with their versions and exact commands, one table per receiver, and
// whether the targets hold.

import { fixed, median, table } from './figures.ts';
import type { Sender } from './deliver-peers.ts';
import { ratio, shownCommand, spread } from './peer-figures.ts';

/** Of one sender; per round, without its start-up. */
export interface SenderFigures {
  readonly sender: Sender;
  /** Events per second. */
  readonly rates: readonly number[];
  /** Per event, user and system. */
  readonly cpuMicros: readonly number[];
  readonly peaksMib: readonly number[];
  readonly foreignShares: readonly number[];
}

/** CPU per event at most, µs. */
const MOST_MICROS: Readonly<Record<string, number>> = { reprise: 20, ndjson: 2 };
/** fetch() takes at least so many times Reprise's CPU. */
const TIMES_FETCH = 6;

export function deliverCommands(
  senders: readonly Sender[],
  events: (sender: Sender) => number,
  connections: number,
): string {
  const lines = senders.map((sender) => {
    const words = sender.command('http://127.0.0.1:PORT/hook', events(sender), connections);
    return `- ${sender.name}, ${sender.version}: \`${shownCommand(words)}\``;
  });
  return ['## Sending signed events of 1,000 B', lines.join('\n')].join('\n\n');
}

export function deliverTable(
  all: readonly SenderFigures[],
  { delayMs, connections }: { readonly delayMs: number; readonly connections: number },
): string {
  const own = all.find(({ sender }) => sender.id === 'reprise');
  return [
    `### A receiver that answers ${delayMs === 0 ? 'at once' : `after ${delayMs} ms`}, ${connections} connections`,
    `Medians of ${all[0]?.rates.length ?? 0} rounds, in brackets the least and the most; start-up taken off.`,
    table([
      ['sender', 'events/s', 'x Reprise', 'CPU µs/event', 'x Reprise', 'peak RSS MiB', 'foreign CPU %'],
      ...all.map((each) => [
        each.sender.name,
        spread(each.rates, 0),
        ratio(each.rates, own?.rates),
        spread(each.cpuMicros, 1),
        ratio(each.cpuMicros, own?.cpuMicros),
        fixed(median(each.peaksMib)),
        fixed(median(each.foreignShares) * 100),
      ]),
    ]),
    verdicts(all),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function verdicts(all: readonly SenderFigures[]): string {
  const cpuOf = (id: string): number | null => {
    const found = all.find(({ sender }) => sender.id === id);
    return found ? median(found.cpuMicros) : null;
  };
  const verdict = (said: string, holds: boolean): string =>
    `- ${said}: ${holds ? 'holds' : '**does not hold**'}`;
  const lines = all.flatMap(({ sender, cpuMicros }) => {
    const most = MOST_MICROS[sender.id];
    if (most === undefined) return [];
    return [verdict(`${sender.name}: CPU at most ${most} µs per event`, median(cpuMicros) <= most)];
  });
  const [own, fetched] = [cpuOf('reprise'), cpuOf('fetch')];
  if (own !== null && fetched !== null) {
    const said = `fetch() takes ${fixed(fetched / own, 1)} times Reprise's CPU, at least ${TIMES_FETCH}`;
    lines.push(verdict(said, fetched / own >= TIMES_FETCH));
  }
  return lines.join('\n');
}
