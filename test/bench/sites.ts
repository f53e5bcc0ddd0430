// What a second data centre costs: reading a site's own topic and a copy of it against the own one alone, the memory
// per event of dedupe, and how long a replay stands still whose site is lost in the middle. The copies are written by
// the same program with the same options as their upstreams, byte for byte what MirrorMaker would make of them.
//   npm run bench -- sites [--rounds 3] [--records 1000000] [--parts reading,memory,loss]

import { generateWithJava } from '../../scripts/stack/java-producer.ts';
import { LogWriter } from '../support/log-writer.ts';
import { fixed } from './figures.ts';
import { chosen, readOptions, wholeNumber } from './options.ts';
import type { Rig } from './rig.ts';
import { dedupeMemory } from './sites-dedupe.ts';
import { siteLost } from './sites-loss.ts';
import { readingSites } from './sites-reading.ts';

export const OWN = 'sites_own';
export const COPY = 'sites_copy';
export const KEY = 'bench-sites';
/** Most runs scan only; of the others one record in ten is wanted. */
const SHARE = 0.1;
const VALUE_BYTES = 1_000;
const HOUR_MS = 3_600_000;

export interface SitesLog {
  readonly records: number;
  readonly wanted: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Writes the same records once more. */
  readonly write: (brokers: string, topic: string) => Promise<{ readonly wanted: number }>;
}

export async function sites(rig: Rig, say: (line: string) => void): Promise<void> {
  const { parts: asked, rounds, records: size } = readOptions();
  const parts = chosen(asked, ['reading', 'memory', 'loss']);
  if (parts.includes('memory')) say(dedupeMemory());
  if (!parts.includes('reading') && !parts.includes('loss')) return;
  const log = await writeLog(rig, wholeNumber(size ?? '1000000'), say);
  if (parts.includes('reading')) say(await readingSites(rig, log, wholeNumber(rounds), say));
  if (parts.includes('loss')) say(await siteLost(rig, log, say));
}

async function writeLog(rig: Rig, records: number, say: (line: string) => void): Promise<SitesLog> {
  const toMs = Math.floor(Date.now() / 1_000) * 1_000 - HOUR_MS;
  const fromMs = toMs - 2 * HOUR_MS;
  const options = { records, wantedKey: KEY, wantedShare: SHARE, valueBytes: VALUE_BYTES, fromMs, toMs };
  const write: SitesLog['write'] = async (brokers, topic) => {
    say(`writing ${fixed(records)} records to ${topic} ...`);
    const writer = await LogWriter.open(brokers);
    await writer.createTopic(topic, 1);
    await writer.close();
    return generateWithJava({ brokers, topic, compression: 'snappy' }, options);
  };
  const { wanted } = await write(rig.stack.brokers, OWN);
  await write(rig.stack.brokers, COPY);
  return { records, wanted, fromMs, toMs, write };
}
