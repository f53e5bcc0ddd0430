// The API's description as client developers and their tools read it: valid OpenAPI 3.1, whole, and with examples that
// are true to its schemas. The document in docs/ is the one that the server makes (npm run check compares them).

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { nameSchemas } from '../../../src/api/named-schemas.ts';
import { COMPLETION_TYPES } from '../../../src/domain/completion.ts';
import { ERRORS } from '../../../src/domain/errors.ts';

const ROOT = join(import.meta.dirname, '../../..');

type Json = Record<string, unknown>;
interface Media {
  readonly schema?: Json;
  readonly example?: unknown;
  readonly examples?: Record<string, { readonly value: unknown }>;
}
interface Body {
  readonly description?: string;
  readonly content?: Record<string, Media>;
  readonly headers?: Json;
}
interface Operation {
  readonly operationId?: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly description?: string }[];
  readonly requestBody?: Body;
  readonly responses: Record<string, Body>;
}

const source = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as Json;
const document = inlined(source) as {
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly webhooks: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Json> };
};

const ownOperations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
);
const operations = [
  ...ownOperations,
  ...Object.entries(document.webhooks).flatMap(([name, methods]) =>
    Object.values(methods).map((operation) => ({ name: `webhook ${name}`, operation })),
  ),
];

/** A copy with what references point at in their place. */
function inlined(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(inlined);
  if (typeof node !== 'object' || node === null) return node;
  const { $ref } = node as { $ref?: string };
  if ($ref !== undefined) {
    const steps = $ref.slice(2).split('/');
    return inlined(steps.reduce<unknown>((place, step) => (place as Json)[step], source));
  }
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, inlined(value)]));
}

const bodiesOf = ({ requestBody, responses }: Operation): Media[] =>
  [requestBody, ...Object.values(responses)].flatMap((body) => Object.values(body?.content ?? {}));

const examplesOf = ({ example, examples = {} }: Media): unknown[] => [
  ...(example === undefined ? [] : [example]),
  ...Object.values(examples).map(({ value }) => value),
];

describe('the description of the API', () => {
  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(structuredClone(source));
    expect(result).toMatchObject({ valid: true });
    const broken = { ...source, paths: { '/x': { get: { responses: { 200: {} } } } } };
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  it('names each operation once, in a group that is described', () => {
    const ids = ownOperations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id) => id === undefined)).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    const groups = new Set(document.tags.map(({ name }) => name));
    expect(document.tags.filter(({ description }) => !description)).toEqual([]);
    for (const { name, operation } of operations) {
      expect(operation.summary, name).toBeTruthy();
      expect(operation.tags.length, name).toBe(1);
      expect(groups, name).toContain(operation.tags[0]);
    }
  });

  it.each(operations)('$name describes each parameter and answer', ({ operation }) => {
    const silent = (operation.parameters ?? []).filter(({ description }) => !description);
    expect(silent).toEqual([]);
    for (const [status, answer] of Object.entries(operation.responses)) {
      expect(answer.description, status).toMatch(/./);
      expect(answer.description, status).not.toBe('Default Response');
    }
  });

  it.each(Object.entries(document.components.schemas))('schema %s describes each field', (name, schema) => {
    expect(undescribed(schema, name)).toEqual([]);
  });

  it.each(operations)('$name has examples that fit', ({ operation }) => {
    for (const media of bodiesOf(operation)) {
      const { schema } = media;
      if (schema?.['type'] === 'string') continue;
      const examples = examplesOf(media);
      expect(examples.length, JSON.stringify(schema).slice(0, 200)).toBeGreaterThan(0);
      const checker = Compile(schema as never);
      for (const example of examples)
        expect([...checker.Errors(example)], JSON.stringify(example)).toEqual([]);
    }
  });

  it.each(ownOperations)('$name tells its request id in each answer', ({ operation }) => {
    for (const [status, answer] of Object.entries(operation.responses)) {
      expect(answer.headers, status).toHaveProperty('request-id');
    }
  });

  it('has every error that a route can throw', () => {
    const told = JSON.stringify(document.paths);
    const thrown = new Set(
      readdirSync(join(ROOT, 'src/api'), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .flatMap((file) => [
          ...readFileSync(join(ROOT, 'src/api', file), 'utf8').matchAll(/RepriseError\(\s*'(\w+)'/g),
        ])
        .map(([, code = '']) => code),
    );
    expect(thrown.size).toBeGreaterThan(8);
    // Of paths, not of operations: told in the introduction.
    const ofPaths = ['no_such_route', 'method_not_allowed'];
    for (const code of [...thrown].filter((name) => !ofPaths.includes(name))) {
      expect(ERRORS).toHaveProperty(code);
      expect(told, code).toContain(`"${code}"`);
    }
  });

  it('describes what webhooks receive', () => {
    const { event, events } = document.webhooks;
    const names = (operation?: Operation) => operation?.parameters?.map(({ name }) => name);
    expect(names(event?.['post'])).toEqual([
      'webhook-id',
      'webhook-timestamp',
      'webhook-signature',
      'reprise-job-id',
      'reprise-fence',
      'reprise-event-time',
      'reprise-attempt',
      'x-twitter-webhooks-signature',
    ]);
    expect(names(events?.['post'])).toContain('reprise-event-count');
    expect(Object.keys(events?.['post']?.requestBody?.content ?? {})).toEqual([
      'application/x-ndjson',
      'application/json',
    ]);
    expect(Object.keys(document.webhooks)).toEqual([
      'event',
      'events',
      ...COMPLETION_TYPES,
      'replay_job_status',
      'webhook.challenge',
      'crc',
    ]);
    for (const type of COMPLETION_TYPES) {
      const { post } = document.webhooks[type] ?? {};
      expect(names(post)).toContain('reprise-notification');
      const [example] = Object.values(post?.requestBody?.content ?? {}).flatMap(examplesOf);
      expect(example).toMatchObject({ type });
    }
  });
});

describe('named schemas', () => {
  it('are moved, and two shapes of one name are refused', () => {
    const named: Json = {};
    const shape = { title: 'Thing', type: 'object', properties: { mode: { enum: ['a'] } } };
    expect(nameSchemas({ one: shape, other: [shape] }, named)).toEqual({
      one: { $ref: '#/components/schemas/Thing' },
      other: [{ $ref: '#/components/schemas/Thing' }],
    });
    expect(named).toEqual({ Thing: { ...shape, properties: { mode: { type: 'string', enum: ['a'] } } } });
    expect(() => nameSchemas({ title: 'Thing', type: 'string' }, named)).toThrow('two shapes');
  });
});

/** Paths of fields without a description. */
function undescribed(schema: Json, path: string): string[] {
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Json>);
  const items = schema['items'] as Json | undefined;
  return [
    ...properties.flatMap(([name, field]) => [
      ...(field['description'] ? [] : [`${path}.${name}`]),
      ...undescribed(field, `${path}.${name}`),
    ]),
    ...(items ? undescribed(items, `${path}[]`) : []),
  ];
}
