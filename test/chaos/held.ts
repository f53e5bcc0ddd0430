// What each site's topics held of our webhooks, copies of MirrorMaker included: read by kcat, committed records only.
// The checker compares what a replay says it has read with it.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureKcat } from '../../scripts/stack/kcat.ts';
import type { Stack } from '../../scripts/stack/stack.ts';

/** A record of one of our webhooks at one place of one site. */
export interface HeldRecord {
  /** `site/topic`. */
  readonly source: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  /** As the receiver sees it. */
  readonly event: string;
  readonly atMs: number;
}

/** As kcat writes it. */
interface KcatLine {
  readonly partition: number;
  readonly offset: number;
  readonly ts: number;
  readonly headers?: readonly string[];
  readonly key: string | null;
  readonly payload: string | null;
}

const LOOK_MS = 1_000;
const MIRRORED_MS = 180_000;

/** Everything that is there now. */
export async function readHeld(stack: Stack, keys: readonly string[]): Promise<readonly HeldRecord[]> {
  const held: HeldRecord[] = [];
  for (const { source, brokers, topic } of sourcesOf(stack))
    held.push(...(await readTopic({ source, brokers, topic }, new Set(keys))));
  return held;
}

/** Waits until each site holds as many of our records as all sites were given. */
export async function untilHeldAlike(stack: Stack, keys: readonly string[]): Promise<void> {
  for (const until = performance.now() + MIRRORED_MS; ;) {
    const bySite = Map.groupBy(await readHeld(stack, keys), ({ source }) => source.split('/')[0]);
    const sizes = [...bySite.values()].map(({ length }) => length);
    if (sizes.length === stack.sites.length && sizes.every((size) => size === sizes[0])) return;
    if (performance.now() > until) throw new Error(`the sites do not become alike: ${sizes.join(', ')}`);
    await sleep(LOOK_MS);
  }
}

interface Source {
  readonly source: string;
  readonly brokers: string;
  readonly topic: string;
}

/** Out of the setting that the instances get. */
function sourcesOf({ sitesSetting }: Stack): readonly Source[] {
  return sitesSetting.split(';').flatMap((site) => {
    const [, name = '', brokers = '', topics = ''] = /^([^=]+)=([^/]+)\/(.+)$/.exec(site) ?? [];
    return topics.split('+').map((topic) => ({ source: `${name}/${topic}`, brokers, topic }));
  });
}

async function readTopic(
  { source, brokers, topic }: Source,
  keys: ReadonlySet<string>,
): Promise<readonly HeldRecord[]> {
  const [command = '', ...words] = await ensureKcat();
  const flags = ['-C', '-q', '-e', '-J', '-X', 'isolation.level=read_committed', '-o', 'beginning'];
  const kcat = spawn(command, [...words, ...flags, '-b', brokers, '-t', topic], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(kcat, 'exit');
  const held: HeldRecord[] = [];
  for await (const line of createInterface({ input: kcat.stdout })) {
    const { partition, offset, ts, headers = [], key, payload } = JSON.parse(line) as KcatLine;
    if (key === null || payload === null || !keys.has(key)) continue;
    const named = headers.indexOf('event-id');
    const event =
      named === -1 ? `v_${createHash('sha256').update(payload).digest('base64url')}` : headers[named + 1];
    held.push({ source, partition, offset, key, event: event ?? '', atMs: ts });
  }
  const [code] = (await exited) as [number | null];
  if (code !== 0) throw new Error(`kcat could not read ${source}: ${String(code)}`);
  return held;
}
