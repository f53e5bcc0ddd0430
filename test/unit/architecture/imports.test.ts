// The house rules that a compiler does not know: who may import whom, which packages belong to which folder, no
// cycles, no vague names. Reads the sources as text: an import that only some code path reaches counts as well.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../../../src');

interface Rule {
  readonly folders: readonly string[];
  readonly packages: readonly string[];
}

/** Folder of src -> what its files may import beside their own folder. `.` = files directly in src. */
const RULES: Readonly<Record<string, Rule>> = {
  domain: { folders: [], packages: [] },
  machines: { folders: ['domain'], packages: ['xstate'] },
  store: { folders: ['domain', 'machines'], packages: ['mysql2', 'kysely'] },
  kafka: {
    folders: ['domain'],
    packages: ['kafkajs', 'kafkajs-snappy', 'snappy', '@node-rs/crc32', 'lz4-napi'],
  },
  webhook: { folders: ['domain'], packages: ['undici', 'ipaddr.js'] },
  telemetry: { folders: ['domain'], packages: ['prom-client', 'pino'] },
  actors: { folders: ['domain', 'machines'], packages: ['xstate'] },
  api: { folders: ['domain', 'machines'], packages: ['fastify', '@fastify/*', 'typebox', 'ajv-formats'] },
  config: { folders: ['domain'], packages: [] },
};

/** Files directly in src: the composition root imports everything, the others little. */
const ROOT_RULES: Readonly<Record<string, Rule>> = {
  'main.ts': { folders: Object.keys(RULES), packages: ['pino'] },
  'config.ts': { folders: ['config', 'domain'], packages: ['ipaddr.js'] },
  'gauges.ts': { folders: ['store', 'telemetry'], packages: [] },
  'heap.ts': { folders: ['domain', 'kafka'], packages: [] },
  'lifecycle.ts': { folders: ['domain'], packages: ['close-with-grace'] },
  'settings.ts': { folders: ['actors', 'api', 'domain'], packages: [] },
  'readiness.ts': { folders: ['domain'], packages: [] },
};

/** domain has no I/O: of Node's own modules it may use these. */
const DOMAIN_BUILTINS = ['node:buffer', 'node:crypto'];
const VAGUE = /(^|[-/])(utils?|helpers?|common|managers?|services?|misc|index)(\.ts|\/|$)/;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .map((path) => ({ path, imports: importsOf(join(SRC, path)) }));

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [
    ...text.matchAll(
      /^\s*(?:import|export)\s[^;]*?from\s+'([^']+)'|import\('([^']+)'\)|^import\s+'([^']+)'/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

const folderOf = (path: string): string => (path.includes('/') ? (path.split('/')[0] ?? '') : '.');

function ruleOf(path: string): Rule {
  const rule = folderOf(path) === '.' ? ROOT_RULES[path] : RULES[folderOf(path)];
  if (!rule) throw new Error(`src/${path} is in no known place: give it a rule here, or a better place`);
  return rule;
}

const matches = (name: string, allowed: string): boolean =>
  allowed.endsWith('/*')
    ? name.startsWith(allowed.slice(0, -1))
    : name === allowed || name.startsWith(`${allowed}/`);

describe('the sources', () => {
  it('are found', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(200);
  });

  it.each(files)('$path imports only what its place allows', ({ path, imports }) => {
    const rule = ruleOf(path);
    const own = folderOf(path);
    for (const name of imports) {
      if (name.startsWith('.')) {
        const target = relative(SRC, resolve(dirname(join(SRC, path)), name));
        const folder = folderOf(target);
        const isAllowed =
          folder === own ? own !== '.' || target in ROOT_RULES : rule.folders.includes(folder);
        expect(isAllowed || (own === '.' && folder === '.'), `${path} imports ${target}`).toBe(true);
      } else if (name.startsWith('node:')) {
        if (own === 'domain' || own === 'machines') expect(DOMAIN_BUILTINS, path).toContain(name);
      } else {
        expect(
          rule.packages.some((allowed) => matches(name, allowed)),
          `${path} imports ${name}`,
        ).toBe(true);
      }
    }
  });

  it('translate X’s API without knowing the store', () => {
    const own = files.filter(({ path }) => path.startsWith('api/x/'));
    expect(own.length).toBeGreaterThan(5);
    const outside = own.flatMap(({ path, imports }) => localTargets(path, imports));
    const allowed = /^(api\/x\/\w[\w-]*|api\/(access|fields|routing)|domain\/(ids|errors|signals))\.ts$/;
    expect(outside.filter((target) => !allowed.test(target))).toEqual([]);
  });

  it('have one importer of kafkajs and one of prom-client', () => {
    for (const name of ['kafkajs', 'prom-client', 'kafkajs-snappy']) {
      const importers = files.filter(({ imports }) => imports.includes(name)).map(({ path }) => path);
      expect(importers.length, `${name}: ${importers.join(', ')}`).toBeLessThanOrEqual(1);
    }
  });

  it('read the environment in one place', () => {
    const readers = files.filter(({ path }) => readFileSync(join(SRC, path), 'utf8').includes('process.env'));
    expect(readers.map(({ path }) => path).sort()).toEqual(['config.ts', 'main.ts']);
  });

  it('have no import cycles', () => {
    expect(cycles(new Map(files.map(({ path, imports }) => [path, localTargets(path, imports)])))).toEqual(
      [],
    );
  });

  it('have telling names', () => {
    expect(files.map(({ path }) => path).filter((path) => VAGUE.test(path))).toEqual([]);
  });

  it('say at their beginning what they are for', () => {
    const silent = files.filter(({ path }) => !readFileSync(join(SRC, path), 'utf8').startsWith('//'));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });
});

describe('the cycle check', () => {
  it('finds a cycle', () => {
    expect(
      cycles(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['a']],
        ]),
      ),
    ).toEqual(['a -> b -> c -> a']);
  });
});

function localTargets(path: string, imports: readonly string[]): string[] {
  return imports
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(SRC, resolve(dirname(join(SRC, path)), name)));
}

function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (node: string, trail: readonly string[]): void => {
    const at = trail.indexOf(node);
    if (at >= 0) found.push([...trail.slice(at), node].join(' -> '));
    if (at >= 0 || done.has(node)) return;
    for (const next of graph.get(node) ?? []) walk(next, [...trail, node]);
    done.add(node);
  };
  for (const node of graph.keys()) walk(node, []);
  return found;
}
