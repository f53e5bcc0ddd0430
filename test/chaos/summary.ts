// Adds runs up: node test/chaos/summary.ts [--into docs/RELIABILITY.md] .reprise/chaos-evidence/*.json
// Prints the tables of docs/RELIABILITY.md, or puts them there, and ends with 1 when a property was violated or when less happened
// than is demanded (demanded.ts).

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BAD_URLS, BEHAVIOURS } from './behaviours.ts';
import { FAULTS, INSTANCES, MINUTES, MYSQL_MINUTES, SEEDS } from './demanded.ts';
import type { RunRecord } from './record.ts';

type Row = readonly (string | number)[];

const RECEIVER_FAULTS = [...Object.keys(BEHAVIOURS), ...Object.keys(BAD_URLS)];

export function summary(runs: readonly RunRecord[]): {
  readonly text: string;
  readonly short: readonly string[];
} {
  const short = shortOf(runs);
  const parts = [
    runsTable(runs),
    faultsTable(runs),
    propertiesTable(runs),
    repeatsText(runs),
    spoilsText(runs),
  ];
  return { text: parts.join('\n\n'), short };
}

/** What is missing or violated. */
function shortOf(runs: readonly RunRecord[]): readonly string[] {
  const missing: string[] = [];
  const atLeast = (what: string, has: number, least: number): void => {
    if (has < least) missing.push(`${what}: ${round(has)} of ${least}`);
  };
  atLeast('minutes', minutesOf(runs), MINUTES);
  atLeast('minutes on MySQL', minutesOf(runs.filter(({ database }) => database === 'mysql')), MYSQL_MINUTES);
  atLeast('seeds', new Set(runs.map(({ seed }) => seed)).size, SEEDS);
  atLeast('instances', Math.min(...runs.map(({ instances }) => instances)), INSTANCES);
  const faults = faultsOf(runs);
  for (const [kind, least] of Object.entries(FAULTS)) atLeast(kind, faults.get(kind) ?? 0, least);
  for (const name of RECEIVER_FAULTS) atLeast(`receiver: ${name}`, faults.get(`receiver: ${name}`) ?? 0, 1);
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

function faultsTable(runs: readonly RunRecord[]): string {
  const mysql = faultsOf(runs.filter(({ database }) => database === 'mysql'));
  const kinds = new Set([...Object.keys(FAULTS), ...RECEIVER_FAULTS.map((name) => `receiver: ${name}`)]);
  const faults = faultsOf(runs);
  for (const kind of [...faults.keys()].sort()) kinds.add(kind);
  const rows = [...kinds].map((kind): Row => [
    kind,
    faults.get(kind) ?? 0,
    mysql.get(kind) ?? 0,
    FAULTS[kind] ?? 1,
  ]);
  return table(['fault', 'times', 'of them on MySQL', 'demanded'], rows);
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
const minutesOf = (runs: readonly RunRecord[]): number => sum(runs.map(({ minutes }) => minutes));
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const round = (value: number): number => Math.round(value * 10) / 10;

/** Between the two comments that mark the place. */
function put(file: string, text: string): void {
  const [before, begin, , end, after] =
    /^([^]*)(<!-- figures[^\n]*-->\n)([^]*)(<!-- end of figures -->)([^]*)$/
      .exec(readFileSync(file, 'utf8'))
      ?.slice(1) ?? [];
  if (before === undefined) throw new Error(`${file} has no place for the figures`);
  writeFileSync(file, [before, begin, '\n', text, '\n\n', end, after].join(''));
}

if (import.meta.main) {
  const { values, positionals: files } = parseArgs({
    allowPositionals: true,
    options: { into: { type: 'string' } },
  });
  if (files.length === 0)
    throw new Error('usage: node test/chaos/summary.ts [--into <file>] <records of runs>');
  const { text, short } = summary(files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as RunRecord));
  if (values.into === undefined) console.log(text);
  else put(values.into, text);
  for (const line of short) console.error(`SHORT  ${line}`);
  process.exitCode = short.length === 0 ? 0 : 1;
}
