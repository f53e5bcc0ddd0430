// npm run planted: plants each bug of bugs.ts in a copy of the tree and demands that the tests catch it. Names
// choose some of them. Before, all named tests must pass without a bug. Exit 0 only when every bug was caught by
// all the tests that are named for it, by an expectation that did not hold, while the others still passed.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startStack } from '../../scripts/stack/stack.ts';
import { BUGS, patchOf } from './bugs.ts';
import type { Bug } from './bugs.ts';
import { applyPatch } from './patch.ts';
import { Tree } from './tree.ts';

interface Verdict {
  readonly name: string;
  /** What is wrong; none = caught. */
  readonly complaints: readonly string[];
  readonly reasons: readonly string[];
  readonly seconds: number;
}

async function main(words: readonly string[]): Promise<number> {
  const unknown = words.filter((word) => !BUGS.some(({ name }) => name === word));
  if (unknown.length > 0) {
    console.error(`no such bug: ${unknown.join(', ')}; there are ${BUGS.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  const chosen = BUGS.filter(({ name }) => words.length === 0 || words.includes(name));
  const stack = await startStack({ name: `planted-${process.pid}`, tied: true });
  let tree: Tree | null = null;
  const stop = (): Promise<void> => {
    tree?.stop();
    return stack.stop({ wipe: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void stop().finally(() => process.exit(130)));
  }
  try {
    tree = new Tree(stack.dir, {
      REPRISE_TEST_BROKERS: stack.brokers,
      REPRISE_TEST_DATABASE_URL: stack.databaseUrl,
      REPRISE_TEST_DATABASE: 'mariadb',
    });
    return (await judge(tree, chosen, stack.dir)) ? 0 : 1;
  } finally {
    await stop();
  }
}

async function judge(tree: Tree, bugs: readonly Bug[], folder: string): Promise<boolean> {
  const sound = await soundTree(tree, bugs);
  if (sound.complaints.length > 0) {
    tell(sound, folder);
    return false;
  }
  console.log(`without a bug all named tests pass (${sound.seconds.toFixed(1)} s)`);
  const verdicts: Verdict[] = [];
  for (const bug of bugs) {
    const verdict = await plant(tree, bug);
    tell(verdict, folder);
    verdicts.push(verdict);
  }
  const caught = verdicts.filter(({ complaints }) => complaints.length === 0).length;
  console.log(`${caught} of ${bugs.length} planted bugs caught`);
  return caught === bugs.length;
}

async function soundTree(tree: Tree, bugs: readonly Bug[]): Promise<Verdict> {
  const startedAt = performance.now();
  const tests = bugs.flatMap(({ caughtBy, spares }) => [...caughtBy, ...spares]);
  const name = 'sound';
  const complaints = await complain(async () => {
    const fateOf = await tree.run(name, tests);
    return tests.flatMap((test) => {
      const fate = fateOf(test);
      if (fate?.passed === true) return [];
      return [`"${test.title}" ${fate ? `fails without a bug: ${fate.why}` : 'did not run'}`];
    });
  });
  return { name, complaints, reasons: [], seconds: secondsSince(startedAt) };
}

async function plant(tree: Tree, bug: Bug): Promise<Verdict> {
  const startedAt = performance.now();
  const reasons: string[] = [];
  const complaints = await complain(async () => {
    const takeBack = applyPatch(tree.dir, patchOf(bug));
    try {
      const fateOf = await tree.run(bug.name, [...bug.caughtBy, ...bug.spares]);
      const missed = bug.caughtBy.flatMap((test) => {
        const fate = fateOf(test);
        if (fate?.byAssertion === true) {
          reasons.push(`${test.file} "${test.title}"\n      ${fate.why}`);
          return [];
        }
        const what = !fate ? 'did not run' : fate.passed ? 'passes with the bug' : `fails by ${fate.why}`;
        return [`"${test.title}" ${what}`];
      });
      const broken = bug.spares
        .filter((test) => fateOf(test)?.passed !== true)
        .map(({ title }) => `"${title}" does not pass: is the tree sound?`);
      return [...missed, ...broken];
    } finally {
      takeBack();
    }
  });
  return { name: bug.name, complaints, reasons, seconds: secondsSince(startedAt) };
}

/** A patch that does not apply and tests that cannot be loaded are complaints like any other. */
async function complain(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return await look();
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

function tell({ name, complaints, reasons, seconds }: Verdict, folder: string): void {
  const isCaught = complaints.length === 0;
  console.log(`${isCaught ? 'caught    ' : 'NOT CAUGHT'} ${name} (${seconds.toFixed(1)} s)`);
  for (const reason of reasons) console.log(`    by ${reason.slice(0, 300)}`);
  for (const complaint of complaints) console.log(`    ${complaint}`);
  const log = join(folder, `${name}.log`);
  if (!isCaught && existsSync(log)) console.log(readFileSync(log, 'utf8').slice(-3_000));
}

const secondsSince = (startedAt: number): number => (performance.now() - startedAt) / 1_000;

process.exit(await main(process.argv.slice(2)));
