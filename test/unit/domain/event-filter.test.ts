// Filters against a naive evaluation that is written another way, and the corners by hand.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FilterSet, tokensOf } from '../../../src/domain/event-filter.ts';
import type { EventHeaders } from '../../../src/domain/event-filter.ts';
import type { EventFilter, FilterValue } from '../../../src/domain/job.ts';

type Header = readonly [name: string, value: string | null];

const headersOf = (headers: readonly Header[]): EventHeaders => ({
  some: (name, holds) =>
    headers.some(
      ([each, value]) => name.equals(Buffer.from(each)) && value !== null && holds(Buffer.from(value)),
    ),
});
const NONE = headersOf([]);

function passes(filters: readonly EventFilter[], value: string | Buffer, headers = NONE): boolean {
  return FilterSet.of(filters)?.passes(Buffer.from(value), headers) ?? true;
}
const at = (path: string, ...values: readonly FilterValue[]): EventFilter => ({
  where: 'value',
  path,
  op: 'in',
  values,
});
const begins = (path: string, prefix: string): EventFilter => ({
  where: 'value',
  path,
  op: 'prefix',
  values: [prefix],
});
const header = (path: string, op: EventFilter['op'], ...values: readonly string[]): EventFilter => ({
  where: 'header',
  path,
  op,
  values,
});

describe('a pointer', () => {
  it.each<[string, string, FilterValue]>([
    ['/a', '{"a":"x"}', 'x'],
    ['/a/b/0', '{"a":{"b":[7]}}', 7],
    ['', '"whole"', 'whole'],
    ['', ' null ', null],
    ['/', '{"":true}', true],
    ['//', '{"":{"":1}}', 1],
    ['/a~1b/~0', '{"a/b":{"~":1}}', 1],
    ['/~01', '{"~1":1}', 1],
    ['/a', '{"a":1,"a":2}', 2],
    ['/a', '{"a":1.0}', 1],
    ['/a', '{"a":10e-1}', 1],
    ['/a', '{"a":-0}', 0],
    ['/é', '{"\\u00e9":"ü"}', 'ü'],
    ['/__proto__', '{"__proto__":"x"}', 'x'],
    ['/10', `[${'0,'.repeat(10)}"ten"]`, 'ten'],
  ])('%j into %s finds %j', (path, value, found) => {
    expect(passes([at(path, found)], value)).toBe(true);
    expect(passes([at(path, 'something else', false, 99)], value)).toBe(false);
  });

  it.each([
    ['/a', '{}', 'what is absent is not null'],
    ['/a', '{"a":[null]}', 'a list equals nothing'],
    ['/a', '{"a":{}}', 'an object equals nothing'],
    ['/a/0', '{"a":"null"}', 'no way leads into text'],
    ['/00', '[null,null]', 'an index has no leading zero'],
    ['/-', '[null]', 'the place behind a list is empty'],
    ['/1', '[null]', 'nor is anything beyond its end'],
    ['/length', '[null]', 'a list has only its items'],
    ['/constructor', '{}', 'nor an object more than its own names'],
    ['/__proto__', '{}', 'nor a prototype'],
    ['/__proto__/__proto__', '{}', 'nor what that has'],
    ['', '', 'an empty value is not JSON'],
    ['', 'null null', 'nor are two'],
    ['', '\ufeffnull', 'nor one with a byte order mark'],
    ['/a', '{"a":null', 'nor one that is cut'],
  ])('%j into %s does not hold: %s', (path, value) => {
    expect(passes([at(path, null)], value)).toBe(false);
  });

  it('does not hold for a value that is no UTF-8', () => {
    const bytes = Buffer.from('{"a":"x\u00ff"}', 'latin1');
    expect(passes([begins('/a', 'x')], bytes)).toBe(false);
    expect(passes([begins('/a', 'x')], bytes.toString('latin1'))).toBe(true);
  });

  it('tells text, numbers, booleans and null apart', () => {
    const values: readonly FilterValue[] = ['1', 1, true, 'true', null, 'null', '', 0, false];
    for (const there of values) {
      const equal = values.filter((wanted) => passes([at('/a', wanted)], JSON.stringify({ a: there })));
      expect(equal).toEqual([there]);
    }
  });

  it('compares a prefix with text only', () => {
    expect(passes([begins('/type', 'invoice.')], '{"type":"invoice.paid"}')).toBe(true);
    expect(passes([begins('/type', 'invoice.')], '{"type":"invoice"}')).toBe(false);
    expect(passes([begins('/type', '1')], '{"type":12}')).toBe(false);
  });

  it('is none where RFC 6901 says so', () => {
    expect(['a', 'a/b', '/~', '/~2', '/a~', '~0'].map(tokensOf)).toEqual(Array(6).fill(null));
    expect(tokensOf('/a//b~1~0')).toEqual(['a', '', 'b/~']);
  });

  it('is not hurt by a megabyte of nesting, nor by what is behind it', () => {
    const depth = 500_000;
    expect(passes([at('/a', 1)], '['.repeat(2 * depth))).toBe(false);
    const nested = `${'['.repeat(depth)}1${']'.repeat(depth)}`;
    expect(passes([at('/0/0/0', 1)], nested)).toBe(false);
    expect(passes([at('/a', 1)], `{"b":${nested},"a":1}`)).toBe(true);
    const objects = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`;
    expect(passes([at('/a/a', 1)], objects)).toBe(false);
  });
});

describe('a header', () => {
  it('holds when any of its name does, byte by byte', () => {
    const headers = headersOf([
      ['type', 'order.created'],
      ['Type', 'invoice'],
      ['type', 'order.paid'],
      ['empty', ''],
      ['none', null],
    ]);
    const holds = (filter: EventFilter): boolean => passes([filter], 'not JSON', headers);
    expect(holds(header('type', 'equals', 'order.paid'))).toBe(true);
    expect(holds(header('type', 'equals', 'invoice'))).toBe(false);
    expect(holds(header('TYPE', 'equals', 'invoice'))).toBe(false);
    expect(holds(header('type', 'in', 'x', 'order.created'))).toBe(true);
    expect(holds(header('type', 'prefix', 'order.p'))).toBe(true);
    expect(holds(header('type', 'prefix', 'order.paid later'))).toBe(false);
    expect(holds(header('empty', 'equals', ''))).toBe(true);
    expect(holds(header('none', 'equals', ''))).toBe(false);
    expect(holds(header('absent', 'in', '', 'null'))).toBe(false);
  });
});

/** Another way to the same answer: texts and recursion, no bytes, no sets. */
function naive(filters: readonly EventFilter[], value: string, headers: readonly Header[]): boolean {
  return filters.every(({ where, path, op, values }) => {
    const holds = (found: unknown): boolean => {
      if (op === 'prefix') return typeof found === 'string' && found.indexOf(String(values[0])) === 0;
      return values.some((each) => each === found);
    };
    if (where === 'header')
      return headers.some(([name, text]) => name === path && text !== null && holds(text));
    try {
      return holds(walk(JSON.parse(value), path));
    } catch {
      return false;
    }
  });
}

function walk(document: unknown, path: string): unknown {
  if (path === '') return document;
  const [, first = '', ...rest] = path.split('/');
  const name = first.replaceAll('~1', '/').replaceAll('~0', '~');
  if (document === null || typeof document !== 'object') return undefined;
  if (Array.isArray(document) && String(Number(name)) !== name) return undefined;
  const own = Object.entries(document).find(([each]) => each === name);
  return own === undefined ? undefined : walk(own[1], rest.map((part) => `/${part}`).join(''));
}

const scalar = fc.constantFrom<FilterValue>('a', 'ab', 'é', '', 1, 0, true, false, null);
const name = fc.constantFrom('a', 'b', '', '0', '1', '~', '/', 'a/b');
const document = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;
const pointer = fc
  .array(name, { maxLength: 3 })
  .map((names) => names.map((each) => `/${each.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''));
const headerName = fc.constantFrom('t', 'T', 'ü');
const text = fc.constantFrom('', 'a', 'ab', 'é');
const oneFilter: fc.Arbitrary<EventFilter> = fc.oneof(
  fc.record({
    where: fc.constant('value' as const),
    path: pointer,
    op: fc.constantFrom('equals' as const, 'in' as const),
    values: fc.array(scalar, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    where: fc.constantFrom('value' as const, 'header' as const),
    path: fc.constantFrom('/a', ''),
    op: fc.constant('prefix' as const),
    values: fc.tuple(text),
  }),
  fc.record({
    where: fc.constant('header' as const),
    path: headerName,
    op: fc.constantFrom('equals' as const, 'in' as const, 'prefix' as const),
    values: fc.tuple(text),
  }),
);

describe('filters', () => {
  it('pass what a naive evaluation passes', () => {
    const seen = { passed: 0, left: 0 };
    fc.assert(
      fc.property(
        fc.array(oneFilter, { minLength: 1, maxLength: 3 }),
        fc.oneof(
          document.map((each) => JSON.stringify(each)),
          fc.constantFrom('', '{', '{"a":1,"a":"ab"}'),
        ),
        fc.array(fc.tuple(headerName, fc.option(text)), { maxLength: 4 }),
        (filters, value, headers) => {
          const wanted = naive(filters, value, headers);
          seen[wanted ? 'passed' : 'left']++;
          expect(passes(filters, value, headersOf(headers))).toBe(wanted);
        },
      ),
      { numRuns: 20_000, endOnFailure: true, includeErrorInReport: true },
    );
    // Both ways were walked.
    expect(Math.min(seen.passed, seen.left)).toBeGreaterThan(500);
  });

  it('are none when none is asked', () => {
    expect(FilterSet.of([])).toBeNull();
  });
});
