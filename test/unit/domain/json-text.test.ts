// Held against JSON.parse: the two agree on every text, whole, broken or hostile.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isJson as isJsonFast, isJsonLine } from '../../../src/domain/json-scan.ts';
import { isJson as isJsonText } from '../../../src/domain/json-text.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isParsed(bytes: Buffer): boolean {
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

const TOKENS =
  '{ } [ ] , : " \\ \\u00e9 \\u12 \\x \\" "a" "" true false null tru nul 0 -0 01 -1 1. .5 1.5 1e3 1E+3 1e- e - + \n \r \t \0 \u00a0 \uFEFF ü 🙂 \u007f'
    .split(' ')
    .concat(' ', '\v', '\u0001');

describe.each([
  ['json-text', isJsonText],
  ['json-scan', isJsonFast],
])('a JSON text, says %s,', (_name, isJson) => {
  it('is what JSON.parse takes, in any sequence of tokens', () => {
    const text = fc
      .array(fc.constantFrom(...TOKENS), { maxLength: 8 })
      .map((tokens) => Buffer.from(tokens.join('')));
    fc.assert(
      fc.property(text, (bytes) => isJson(bytes) === isParsed(bytes)),
      { numRuns: 20_000 },
    );
  });

  it('is every value that JSON.stringify writes, and none with one byte put in, cut out or changed unless JSON.parse says so', () => {
    const cases = fc.record({
      text: fc.oneof(
        fc.json(),
        fc.jsonValue().map((value) => JSON.stringify(value, null, 2)),
      ),
      at: fc.nat(),
      byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(...Buffer.from('{}[],:"\\ue01.-+'))),
      how: fc.constantFrom('in', 'out', 'changed', 'cut'),
    });
    fc.assert(
      fc.property(cases, ({ text, at, byte, how }) => {
        const whole = Buffer.from(text);
        if (!isJson(whole)) return false;
        const place = at % (whole.length + 1);
        const behind = how === 'cut' ? whole.length : how === 'in' ? place : place + 1;
        const put = how === 'in' || how === 'changed' ? [byte] : [];
        const other = Buffer.concat([whole.subarray(0, place), Buffer.from(put), whole.subarray(behind)]);
        return isJson(other) === isParsed(other);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is not one that is nested deeper than receivers read, however large', () => {
    const nested = (depth: number): Buffer => Buffer.from('['.repeat(depth) + '{"a":1}' + ']'.repeat(depth));
    expect([isJson(nested(511)), isJson(nested(512)), isJson(nested(500_000))]).toEqual([true, false, false]);
    // What a refused one left behind does no harm.
    expect(isJson(Buffer.from('{"a":[1,{"b":null}]}'))).toBe(true);
  });

  it.each([
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['overlong UTF-8', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['UTF-16', Buffer.from('{}', 'utf16le')],
    ['nothing', Buffer.alloc(0)],
  ])('is not %s', (_what, bytes) => {
    expect(isJson(bytes)).toBe(false);
  });
});

describe('a line of JSON', () => {
  it('is a JSON text without a line break, whatever its strings hold and wherever the break is', () => {
    const text = fc
      .array(
        fc.constantFrom(...TOKENS, '\n', '\r', '{"a":', '}', '"\u00fc and more than sixteen bytes of text"'),
        {
          maxLength: 6,
        },
      )
      .map((tokens) => tokens.join(''));
    fc.assert(
      fc.property(text, (json) => {
        const bytes = Buffer.from(json);
        return isJsonLine(bytes) === (isParsed(bytes) && !/[\n\r]/.test(json));
      }),
      { numRuns: 20_000 },
    );
  });

  it('is judged by its bytes alone, whatever was judged before it', () => {
    expect(isJsonLine(Buffer.from(`["${'x'.repeat(100)}"]`))).toBe(true);
    expect(isJsonLine(Buffer.from('["'))).toBe(false);
    expect(isJsonLine(Buffer.from('tru'))).toBe(false);
    expect(isJsonLine(Buffer.from('12'))).toBe(true);
  });

  it('may be as large as an event can be', () => {
    const large = (end: string): Buffer => Buffer.from(`["${'x'.repeat(1024 * 1024)}"]${end}`);
    expect([large(''), large('\n'), large(']')].map(isJsonLine)).toEqual([true, false, false]);
    const whole = Buffer.from(`"${'x'.repeat(1024 * 1024 - 2)}"`);
    expect([isJsonLine(whole), isJsonLine(whole.subarray(0, -1))]).toEqual([true, false]);
  });
});
