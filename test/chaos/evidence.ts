// All that the checker may see: the producer's ledger, the receivers' journals, what REST answered, the table of
// transitions, and how instances ended. Kept as files, so that a verdict can be looked at, and pronounced again.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2/promise';
import type { Accepted } from './demand.ts';
import type { Exit } from './exits.ts';
import type { HeldRecord } from './held.ts';
import type { Ledger } from './ledger.ts';
import type { ReplayAnswer, Rest } from './rest.ts';
import type { SiteLoss } from './site-faults.ts';
import type { Post } from './target.ts';

/** A row of the table of transitions. */
export interface TransitionRow {
  readonly job: string;
  readonly seq: number;
  readonly type: string;
  readonly from: string | null;
  readonly to: string;
  readonly fence: number;
  readonly owner: string | null;
  /** ms since 1970, the database's clock. */
  readonly atMs: number;
  /** The fact as it is stored. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Evidence {
  readonly ledger: Ledger;
  readonly posts: readonly Post[];
  readonly accepted: readonly Accepted[];
  readonly exits: readonly Exit[];
  /** What each of several sites held at the end, MirrorMaker's copies included. */
  readonly held: readonly HeldRecord[];
  readonly losses: readonly SiteLoss[];
  /** Every replay, by REST, at the end. */
  readonly replays: readonly ReplayAnswer[];
  /** Their transitions by REST: seq, type and target of each. */
  readonly told: Readonly<Record<string, readonly string[]>>;
  readonly transitions: readonly TransitionRow[];
}

export async function gather(
  parts: Omit<Evidence, 'replays' | 'told' | 'transitions'>,
  rest: Rest,
  databaseUrl: string,
): Promise<Evidence> {
  const replays = await rest.all<ReplayAnswer>('/v1/replays');
  const told: Record<string, readonly string[]> = {};
  for (const { id } of replays) {
    const items = await rest.all<{ seq: number; type: string; to: string }>(`/v1/replays/${id}/transitions`);
    told[id] = items.map(({ seq, type, to }) => `${seq} ${type} ${to}`);
  }
  return { ...parts, replays, told, transitions: await readTransitions(databaseUrl) };
}

async function readTransitions(databaseUrl: string): Promise<readonly TransitionRow[]> {
  const connection = await mysql.createConnection({ uri: databaseUrl, dateStrings: true });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT CAST(job_id AS CHAR) AS job, seq, type, from_state AS \`from\`, to_state AS \`to\`, fence, owner, body, at
       FROM job_transitions ORDER BY job_id, seq`,
    );
    return rows.map(({ at, body, ...row }) => ({
      ...(row as Omit<TransitionRow, 'atMs' | 'body'>),
      atMs: Date.parse(`${String(at).slice(0, 23).replace(' ', 'T')}Z`),
      body: (typeof body === 'string' ? JSON.parse(body) : body) as TransitionRow['body'],
    }));
  } finally {
    await connection.end();
  }
}

export function save(folder: string, evidence: Evidence): void {
  const { posts, transitions, held, ...rest } = evidence;
  writeFileSync(join(folder, 'evidence.json'), JSON.stringify(rest));
  writeFileSync(join(folder, 'posts.jsonl'), toLines(posts));
  writeFileSync(join(folder, 'held.jsonl'), toLines(held));
  writeFileSync(join(folder, 'transitions.jsonl'), toLines(transitions));
}

export function load(folder: string): Evidence {
  const rest = JSON.parse(readFileSync(join(folder, 'evidence.json'), 'utf8')) as Omit<
    Evidence,
    'posts' | 'transitions' | 'held'
  >;
  return {
    ...rest,
    posts: fromLines(folder, 'posts'),
    transitions: fromLines(folder, 'transitions'),
    held: fromLines(folder, 'held'),
  };
}

const toLines = (items: readonly unknown[]): string =>
  items.map((item) => `${JSON.stringify(item)}\n`).join('');

function fromLines<Item>(folder: string, name: string): readonly Item[] {
  const text = readFileSync(join(folder, `${name}.jsonl`), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Item);
}
