// Adds runs up: node test/chaos/summary.ts [--into docs/RELIABILITY.md] .reprise/chaos-evidence/*.json
// Prints the tables of docs/RELIABILITY.md, or puts them there (runs with one site and with two have a place each), and
// ends with 1 when a property was violated or when less happened than is demanded (demanded.ts).

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BAD_URLS, BEHAVIOURS } from './behaviours.ts';
import { ONE_SITE, TWO_SITES } from './demanded.ts';
import type { Demanded } from './demanded.ts';
import type { RunRecord } from './record.ts';

type Row = readonly (string | number)[];

/** Beside those that are demanded. */
const MORE_FIGURES = ['events resent after a switch', 'complete', 'incomplete', 'cancelled', 'failed'];
const RECEIVER_FAULTS = [...Object.keys(BEHAVIOURS), ...Object.keys(BAD_URLS)];

export function summary(
  runs: readonly RunRecord[],
  demanded: Demanded,
): {
  readonly text: string;
  readonly short: readonly string[];
} {
  const short = shortOf(runs, demanded);
  const parts = [
    runsTable(runs),
    faultsTable(runs, demanded),
    ...figuresTable(runs, demanded),
    propertiesTable(runs),
    repeatsText(runs),
    spoilsText(runs),
  ];
  return { text: parts.join('\n\n'), short };
}

/** What is missing or violated. */
function shortOf(runs: readonly RunRecord[], demanded: Demanded): readonly string[] {
  const missing: string[] = [];
  const atLeast = (what: string, has: number, least: number): void => {
    if (has < least) missing.push(`${what}: ${round(has)} of ${least}`);
  };
  atLeast('minutes', minutesOf(runs), demanded.minutes);
  atLeast(
    'minutes on MySQL',
    minutesOf(runs.filter(({ database }) => database === 'mysql')),
    demanded.mysqlMinutes,
  );
  atLeast('seeds', new Set(runs.map(({ seed }) => seed)).size, demanded.seeds);
  atLeast('instances', Math.min(...runs.map(({ instances }) => instances)), demanded.instances);
  const faults = faultsOf(runs);
  for (const [kind, least] of Object.entries(demanded.faults)) atLeast(kind, faults.get(kind) ?? 0, least);
  for (const [what, least] of Object.entries(demanded.figures)) atLeast(what, figureOf(runs, what), least);
  for (const name of demanded.everyReceiverFault ? RECEIVER_FAULTS : [])
    atLeast(`receiver: ${name}`, faults.get(`receiver: ${name}`) ?? 0, 1);
  for (const run of runs) {
    const told = `seed ${run.seed} on ${run.database}`;
    for (const { property, violations } of run.verdict.findings)
      for (const text of violations) missing.push(`${told}: ${property} violated: ${text}`);
    for (const { property, what, found } of run.spoils)
      if (found === false) missing.push(`${told}: the checker does not see ${what} (${property})`);
    for (const text of run.selfEnded) missing.push(`${told}: ${text}`);
  }
  return missing;
}

function runsTable(runs: readonly RunRecord[]): string {
  const rows = runs.map(({ seed, database, instances, minutes, faults, verdict }): Row => {
    const { figures } = verdict;
    const answers = ['replays', 'requests', 'reclaims'].map((name) => figures[name] ?? 0);
    return [
      seed,
      database,
      instances,
      round(minutes),
      sum(Object.values(faults)),
      ...answers,
      violationsOf(verdict),
    ];
  });
  const total = (column: number): number => sum(rows.map((row) => Number(row[column])));
  const all: Row = ['all', '', '', ...[3, 4, 5, 6, 7, 8].map((column) => round(total(column)))];
  const head = [
    'seed',
    'database',
    'instances',
    'minutes',
    'faults',
    'replays',
    'requests',
    'reclaims',
    'violations',
  ];
  return table(head, [...rows, all]);
}

function faultsTable(runs: readonly RunRecord[], demanded: Demanded): string {
  const mysql = faultsOf(runs.filter(({ database }) => database === 'mysql'));
  const receivers = demanded.everyReceiverFault ? RECEIVER_FAULTS.map((name) => `receiver: ${name}`) : [];
  const kinds = new Set([...Object.keys(demanded.faults), ...receivers]);
  const faults = faultsOf(runs);
  for (const kind of [...faults.keys()].sort()) kinds.add(kind);
  const rows = [...kinds].map((kind): Row => [
    kind,
    faults.get(kind) ?? 0,
    mysql.get(kind) ?? 0,
    demanded.faults[kind] ?? (demanded.everyReceiverFault ? 1 : 0),
  ]);
  return table(['fault', 'times', 'of them on MySQL', 'demanded'], rows);
}

/** What the checker counted of several sites; nothing with one. */
function figuresTable(runs: readonly RunRecord[], { figures }: Demanded): readonly string[] {
  if (Object.keys(figures).length === 0) return [];
  const names = new Set([...Object.keys(figures), ...MORE_FIGURES]);
  const rows = [...names].map((name): Row => [name, figureOf(runs, name), figures[name] ?? 0]);
  return [table(['what happened', 'times', 'demanded'], rows)];
}

function propertiesTable(runs: readonly RunRecord[]): string {
  const [first] = runs;
  const rows = (first?.verdict.findings ?? []).map(({ property, what }): Row => {
    const same = runs.flatMap(({ verdict }) => verdict.findings.filter((each) => each.property === property));
    const violations = sum(same.map(({ violations: found }) => found.length));
    return [property, what, sum(same.map(({ checked }) => checked)), violations];
  });
  return table(['property', 'what', 'looked at', 'violations'], rows);
}

function repeatsText(runs: readonly RunRecord[]): string {
  const all = runs.map(({ verdict }) => verdict.repeats);
  const total = (pick: (repeats: (typeof all)[number]) => number): number => sum(all.map(pick));
  const shares = all.map(({ closest }) => closest.seen / Math.max(1, closest.allowed));
  const closest = all[shares.indexOf(Math.max(...shares))]?.closest;
  const told = all.flatMap(({ maybe }) => (maybe === null ? [] : [maybe]));
  const admitted = told.length === runs.length ? ` REST admits ${sum(told)} (\`counts.maybeRepeated\`).` : '';
  return (
    `Repeats: ${total(({ seen }) => seen)} seen by the receivers; allowed ${total(({ bound }) => bound)} by the ` +
    `stated bounds and ${total(({ unanswered }) => unanswered)} by attempts without an answer.${admitted} The replay ` +
    `that came closest to its limit used ${closest?.seen ?? 0} of ${closest?.allowed ?? 0}.`
  );
}

function spoilsText(runs: readonly RunRecord[]): string {
  const done = runs.flatMap(({ spoils }) => spoils).filter(({ found }) => found !== null);
  const seen = done.filter(({ found }) => found === true).length;
  return (
    `The checker was also given the evidence of each run spoiled in one place at a time (an event that never came, ` +
    `a second end, a claim during another's lease ...): it saw ${seen} of ${done.length}.`
  );
}

function table(head: readonly string[], rows: readonly Row[]): string {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [top = [], ...rest] = cells;
  return [line(top), line(widths.map((width) => '-'.repeat(width))), ...rest.map(line)].join('\n');
}

function faultsOf(runs: readonly RunRecord[]): Map<string, number> {
  const faults = new Map<string, number>();
  for (const run of runs)
    for (const [kind, count] of Object.entries(run.faults)) faults.set(kind, (faults.get(kind) ?? 0) + count);
  return faults;
}

const violationsOf = ({ findings }: RunRecord['verdict']): number =>
  sum(findings.map(({ violations }) => violations.length));
const figureOf = (runs: readonly RunRecord[], name: string): number =>
  sum(runs.map(({ verdict }) => verdict.figures[name] ?? 0));
const minutesOf = (runs: readonly RunRecord[]): number => sum(runs.map(({ minutes }) => minutes));
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const round = (value: number): number => Math.round(value * 10) / 10;

/** Between the two comments that mark the place. */
function put(file: string, name: string, text: string): void {
  const place = new RegExp(`^([^]*)(<!-- ${name}: [^\\n]*-->\\n)([^]*)(<!-- end of ${name} -->)([^]*)$`);
  const [before, begin, , end, after] = place.exec(readFileSync(file, 'utf8'))?.slice(1) ?? [];
  if (before === undefined) throw new Error(`${file} has no place for the ${name}`);
  writeFileSync(file, [before, begin, '\n', text, '\n\n', end, after].join(''));
}

if (import.meta.main) {
  const { values, positionals: files } = parseArgs({
    allowPositionals: true,
    options: { into: { type: 'string' } },
  });
  if (files.length === 0)
    throw new Error('usage: node test/chaos/summary.ts [--into <file>] <records of runs>');
  const all = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as RunRecord);
  process.exitCode = 0;
  for (const [name, demanded, hasSites] of [
    ['figures', ONE_SITE, false],
    ['figures of two sites', TWO_SITES, true],
  ] as const) {
    const runs = all.filter(({ sites = 1 }) => sites > 1 === hasSites);
    if (runs.length === 0) continue;
    const { text, short } = summary(runs, demanded);
    if (values.into === undefined) console.log(`${name}\n\n${text}\n`);
    else put(values.into, name, text);
    for (const line of short) console.error(`SHORT  ${line}`);
    if (short.length > 0) process.exitCode = 1;
  }
}
