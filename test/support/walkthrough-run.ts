// Does what a document says, as its reader would: each command by a shell, in the document's order, in one folder, each
// time until it prints what the document shows. Owned here: what a reader carries from one command to the next: the
// functions that the document defines, and the names that it gives to parts of answers.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { difference, functionsOf, stepsOf } from './walkthrough.ts';
import type { Step } from './walkthrough.ts';

export interface Reader {
  readonly env: Readonly<Record<string, string>>;
  /** Where the commands run. */
  readonly folder: string;
  /** The document gave a part of an answer this name. */
  readonly onKept: (name: string, value: string) => Promise<void> | void;
  /** For the message of a failure. */
  readonly logs: () => string;
}

const DEADLINE_MS = 30_000;
/** A part of the answer above that the document keeps under a name. */
const KEEPS = /^([A-Z]+)=…$/;
/** Which part; `id` when the name is none of these. */
const PART: Readonly<Record<string, string>> = { SECRET: 'secret', JOB: 'job_id' };

/** Resolves with the number of commands; rejects at the first that prints something else. */
export async function follow(document: string, reader: Reader): Promise<number> {
  const text = readFileSync(document, 'utf8');
  const steps = stepsOf(text);
  const env: Record<string, string> = { ...reader.env };
  let printed = '';
  for (const step of steps) {
    const where = `${basename(document)}:${step.line}`;
    const name = KEEPS.exec(step.command)?.[1];
    if (name === undefined) {
      printed = await done(step, where, functionsOf(text), { ...reader, env });
      continue;
    }
    const value = (JSON.parse(printed) as Record<string, unknown>)[PART[name] ?? 'id'];
    if (typeof value !== 'string') throw new Error(`${where}: the answer above has no ${name}: ${printed}`);
    env[name] = value;
    await reader.onKept(name, value);
  }
  return steps.length;
}

/** Runs a step; resolves with what it printed. */
async function done(
  step: Step,
  where: string,
  functions: string,
  { env, folder, logs }: Reader,
): Promise<string> {
  const until = performance.now() + DEADLINE_MS;
  for (;;) {
    const { stdout, problem } = await shell(`${functions}\n${step.command}`, env, folder);
    const differs = difference(step.expected, stdout) ?? problem;
    if (differs === null) return stdout;
    if (!step.waits || performance.now() > until) {
      throw new Error(`${where}: ${step.command}\n${differs}\n${problem ?? ''}\n${logs()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What a command printed; `problem`: it failed, or did not end. */
async function shell(
  command: string,
  env: Record<string, string>,
  folder: string,
): Promise<{ readonly stdout: string; readonly problem: string | null }> {
  try {
    // Without the start files of whoever runs the tests: bash reads them when its input is a socket, as it is here.
    const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', command], {
      env,
      cwd: folder,
      // A stream ends with its replay.
      timeout: DEADLINE_MS,
    });
    return { stdout, problem: null };
  } catch (error) {
    const { stdout = '', message } = error as Error & { readonly stdout?: string };
    return { stdout, problem: message };
  }
}
