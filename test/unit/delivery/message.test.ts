// What goes into one request: which values may share a body, its bytes, its id, and its halves.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asSourceName } from '../../../src/domain/ids.ts';
import type { LogEvent } from '../../../src/domain/log.ts';
import {
  bodyOf,
  contentType,
  fits,
  halvesOf,
  mayShare,
  messageId,
  messageOf,
} from '../../../src/domain/message.ts';
import type { DeliveryProfile, Message } from '../../../src/domain/message.ts';

const NDJSON: DeliveryProfile = { mode: 'ndjson', maxEvents: 100, maxBytes: 10_000 };
const ARRAY: DeliveryProfile = { ...NDJSON, mode: 'json-array' };
const SINGLE: DeliveryProfile = { ...NDJSON, mode: 'single' };

function eventOf(value: Buffer | string | null, offset = 0): LogEvent {
  return {
    source: asSourceName('dc1/delivery_log'),
    partition: 0,
    offset,
    timestampMs: offset,
    value: typeof value === 'string' ? Buffer.from(value) : value,
    eventId: `e${offset}`,
    identity: '',
    digest: '',
    scannedBefore: 1,
  };
}
const queueOf = (values: readonly (Buffer | string | null)[]): LogEvent[] => values.map(eventOf);
const sizeOf = (
  values: readonly (Buffer | string | null)[],
  profile: DeliveryProfile,
  most = 1_000,
): number => messageOf(queueOf(values), 0, 0, profile, most).events.length;
const idsOf = ({ events }: Message): string[] => events.map(({ eventId }) => eventId);

describe('a value', () => {
  it.each([
    ['an object', '{"a":[1,"ü",null]}', true, true],
    ['with an escaped line break', '"a\\nb"', true, true],
    ['a lone number', '-0.5e3', true, true],
    ['with spaces around', ' {} ', true, true],
    ['on two lines', '{\n}', false, true],
    ['with a carriage return', '{}\r', false, true],
    ['with a line break inside a text', '"a\nb"', false, false],
    ['empty', '', false, false],
    ['two values', '{} {}', false, false],
    ['two values that an array would take', '1,2', false, false],
    ['that ends the array early', '1],[2', false, false],
    ['with a byte order mark', '\uFEFF{}', false, false],
    ['no JSON', 'plain', false, false],
    ['cut off', '{"a":', false, false],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), false, false],
    ['half of a surrogate pair as bytes', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), false, false],
    ['none', null, false, false],
  ])('%s may share a body: as a line %s', (_what, value, asLine, asElement) => {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    expect([mayShare(bytes, 'ndjson'), mayShare(bytes, 'json-array')]).toEqual([asLine, asElement]);
    expect(mayShare(bytes, 'single')).toBe(false);
  });

  it('is one value for whoever reads the batch, whatever its bytes', () => {
    const values = fc.array(
      fc.oneof(
        fc.json().map((text) => Buffer.from(text)),
        fc.json().map((text) => Buffer.from(JSON.stringify(JSON.parse(text), null, 1))),
        fc.string({ unit: 'binary', maxLength: 8 }).map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
        fc
          .string({ unit: fc.constantFrom('[', ']', '{', '}', ',', '1', '"', '\n', ' '), maxLength: 6 })
          .map((text) => Buffer.from(text)),
      ),
      { minLength: 1, maxLength: 20 },
    );
    const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    fc.assert(
      fc.property(values, fc.constantFrom(NDJSON, ARRAY), (given, profile) => {
        const queue = queueOf(given);
        for (let from = 0; from < queue.length;) {
          const message = messageOf(queue, from, from, profile, 1_000);
          const sent = given.slice(from, from + message.events.length);
          from += sent.length;
          const body = bodyOf(message, profile.mode);
          if (sent.length === 1) {
            expect(body).toBe(sent[0]);
            continue;
          }
          const parsed: unknown = sent.map((value) => JSON.parse(strict.decode(value)) as unknown);
          const text = strict.decode(body);
          expect(body.length).toBeLessThanOrEqual(message.bytes);
          if (profile.mode === 'json-array') expect(JSON.parse(text)).toEqual(parsed);
          else {
            expect(text.endsWith('\n')).toBe(true);
            expect(
              text
                .slice(0, -1)
                .split(/[\r\n]/)
                .map((line) => JSON.parse(line) as unknown),
            ).toEqual(parsed);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('a batch', () => {
  const three = queueOf(['{"n":0}', '1', '"x"']);

  it('is the values as they are, one per line or as an array', () => {
    const lines = messageOf(three, 0, 7, NDJSON, 100);
    expect(bodyOf(lines, 'ndjson').toString()).toBe('{"n":0}\n1\n"x"\n');
    expect(contentType(lines, 'ndjson')).toBe('application/x-ndjson');
    const array = messageOf(three, 0, 7, ARRAY, 100);
    expect(bodyOf(array, 'json-array').toString()).toBe('[{"n":0},1,"x"]');
    expect(contentType(array, 'json-array')).toBe('application/json');
    expect(lines).toMatchObject({ attempt: 1, failed: 0, rank: 7, bytes: 15 });
  });

  it('has an id that fits a header, is the same for the same events, and another one for others', () => {
    const id = messageId(messageOf(three, 0, 0, NDJSON, 100));
    expect(id).toMatch(/^b_[A-Za-z0-9_-]{43}$/);
    expect(messageId(messageOf(three, 0, 9, ARRAY, 100))).toBe(id);
    expect(messageId(messageOf(three, 0, 0, NDJSON, 2))).not.toBe(id);
    expect(messageId(messageOf(three.toReversed(), 0, 0, NDJSON, 100))).not.toBe(id);
  });

  it('of one event is that event', () => {
    const alone = messageOf(three, 1, 0, NDJSON, 1);
    expect([messageId(alone), bodyOf(alone, 'ndjson').toString()]).toEqual(['e1', '1']);
    expect(contentType(alone, 'ndjson')).toBe('application/json');
    expect(bodyOf(alone, 'ndjson')).toBe(three[1]?.value);
  });

  it('takes what is queued, up to its limits', () => {
    expect(sizeOf(['1', '2', '3'], NDJSON)).toBe(3);
    expect(sizeOf(['1', '2', '3'], NDJSON, 2)).toBe(2);
    expect(sizeOf(['1', '2', '3'], { ...NDJSON, maxEvents: 2 })).toBe(2);
    expect(sizeOf(['1', '2', '3'], SINGLE)).toBe(1);
    // Three bodies of 100 with what is between them are 303 bytes as lines, 304 as an array.
    const wide = Array.from({ length: 3 }, () => `"${'x'.repeat(98)}"`);
    expect(sizeOf(wide, { ...NDJSON, maxBytes: 304 })).toBe(3);
    expect(sizeOf(wide, { ...NDJSON, maxBytes: 303 })).toBe(2);
    expect(sizeOf([`"${'x'.repeat(20_000)}"`, '1'], NDJSON)).toBe(1);
  });

  it('ends before a value that must go alone', () => {
    expect(sizeOf(['1', '2', '{\n}', '3'], NDJSON)).toBe(2);
    expect(sizeOf(['{\n}', '3'], NDJSON)).toBe(1);
    expect(sizeOf(['1', '2', '{\n}', '3'], ARRAY)).toBe(4);
  });
});

describe('halves', () => {
  it('are all of its events once, in their order and at their places', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), (count) => {
        const whole = messageOf(
          queueOf(Array.from({ length: count }, (_, n) => `${n}`)),
          0,
          5,
          NDJSON,
          count,
        );
        const message = { ...whole, attempt: 3 };
        const [first, second] = halvesOf(message);
        expect([...idsOf(first), ...idsOf(second)]).toEqual(idsOf(message));
        expect([first.rank, second.rank]).toEqual([5, 5 + first.events.length]);
        expect(Math.abs(first.events.length - second.events.length)).toBeLessThanOrEqual(1);
        expect(first.attempt).toBe(3);
        expect(second.bytes).toBe(
          bodyOf(second, 'json-array').length - (second.events.length === 1 ? -2 : 0),
        );
      }),
    );
  });

  it('of one event are none', () => {
    expect(() => halvesOf(messageOf(queueOf(['1']), 0, 0, NDJSON, 9))).toThrow('cannot be halved');
  });
});

describe('a message that waited', () => {
  const lines = messageOf(queueOf(['1', '2', '3', '4']), 0, 0, NDJSON, 100);
  const array = messageOf(queueOf(['1', '{\n}', '3', '4']), 0, 0, ARRAY, 100);

  it('goes as it is while the webhook would still make it', () => {
    expect(fits(lines, NDJSON, 100)).toBe(true);
    expect(fits(lines, ARRAY, 100)).toBe(true);
    expect(fits(array, ARRAY, 100)).toBe(true);
    expect(fits(messageOf(queueOf(['x']), 0, 0, NDJSON, 9), SINGLE, 1)).toBe(true);
  });

  it('does not when mode or limits have changed', () => {
    expect(fits(lines, SINGLE, 100)).toBe(false);
    expect(fits(lines, { ...NDJSON, maxEvents: 3 }, 100)).toBe(false);
    expect(fits(lines, { ...NDJSON, maxBytes: 8 }, 100)).toBe(false);
    expect(fits(lines, NDJSON, 3)).toBe(false);
    expect(fits(array, NDJSON, 100)).toBe(false);
  });
});
