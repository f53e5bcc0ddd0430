// Answers as receivers write them, whole and in pieces: what is told of them, and whether their socket may be used again.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BROKEN, DROPPED, LAST, MAX_HEAD_BYTES, MORE, REUSABLE } from '../../../src/webhook/response.ts';
import { ResponseReader } from '../../../src/webhook/response.ts';
import type { Progress } from '../../../src/webhook/response.ts';

const NAMES = {
  [MORE]: 'more',
  [REUSABLE]: 'reusable',
  [LAST]: 'last',
  [BROKEN]: 'broken',
  [DROPPED]: 'dropped',
};

interface Told {
  readonly heads: (readonly [number, string | undefined])[];
  began: number;
  bytes: number;
  progress: string;
  endsByClose: boolean;
  hintMs: number;
}

/** `at`: where the text is cut; `wanted`: bytes of body after which no more is wanted. */
function read(text: string, at: readonly number[] = [], wanted = Infinity): Told {
  const reader = new ResponseReader();
  const told: Told = { heads: [], began: 0, bytes: 0, progress: 'more', endsByClose: false, hintMs: 0 };
  reader.begin({
    responseBegan: () => told.began++,
    responseHead: (status, retryAfter) => told.heads.push([status, retryAfter]),
    responseData: (bytes) => (told.bytes += bytes) <= wanted,
  });
  const bytes = Buffer.from(text, 'latin1');
  const cuts = [0, ...at.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  let progress: Progress = MORE;
  for (let piece = 1; piece < cuts.length && progress === MORE; piece++) {
    const some = bytes.subarray(cuts[piece - 1], cuts[piece]);
    if (some.length === 0) continue;
    // One memory for all reads, with something else behind what came.
    const shared = Buffer.concat([some, Buffer.from('\r\n\r\nHTTP/1.1 500 \r\n\r\n')]);
    progress = reader.take(shared, some.length);
    shared.fill(0x58);
  }
  told.progress = NAMES[progress];
  told.endsByClose = reader.endsByClose;
  told.hintMs = reader.keepAliveHintMs;
  return told;
}

const head = (...lines: string[]): string => `${['HTTP/1.1 200 OK', ...lines].join('\r\n')}\r\n\r\n`;
const CHUNKED = head('Transfer-Encoding: chunked');

const WHOLE: readonly (readonly [name: string, text: string, status: number, progress: string])[] = [
  ['a length', `${head('Content-Length: 2')}{}`, 200, 'reusable'],
  ['a length, said twice alike', `${head('Content-Length: 2', 'content-length:2')}{}`, 200, 'reusable'],
  ['no body', head('content-length: 0'), 200, 'reusable'],
  ['no reason', 'HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n', 503, 'reusable'],
  ['neither space nor reason', 'HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n', 404, 'reusable'],
  ['204', 'HTTP/1.1 204 No Content\r\n\r\n', 204, 'reusable'],
  ['304 with a length that it has not', 'HTTP/1.1 304 \r\nContent-Length: 7\r\n\r\n', 304, 'reusable'],
  ['chunks', `${CHUNKED}4\r\nabcd\r\n0\r\n\r\n`, 200, 'reusable'],
  [
    'chunks, extensions and trailers',
    `${CHUNKED}a;x=y\r\n0123456789\r\n00\r\nA: b\r\nC: d\r\n\r\n`,
    200,
    'reusable',
  ],
  [
    '103 before it',
    `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${head('Content-Length: 1')}x`,
    200,
    'reusable',
  ],
  ['a wish to close', `${head('Content-Length: 1', 'Connection: x, Close')}x`, 200, 'last'],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx', 200, 'last'],
  [
    'HTTP/1.0, kept',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx',
    200,
    'reusable',
  ],
  ['no length', `${head('Server: x')}text`, 200, 'more'],
  ['two lengths', `${head('Content-Length: 1', 'Content-Length: 2')}x`, 200, 'more'],
  ['a length that is none', `${head('Content-Length: +1')}x`, 200, 'more'],
  ['a length and chunks', `${head('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`, 200, 'more'],
  ['gzip and chunks', `${head('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`, 200, 'more'],
  [
    'chunks twice',
    `${head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    200,
    'more',
  ],
  ['a chunk without a size', `${CHUNKED}\r\nabcd\r\n0\r\n\r\n`, 200, 'broken'],
  ['a chunk longer than its size', `${CHUNKED}3\r\nabcd\r\n0\r\n\r\n`, 200, 'broken'],
  ['a chunk of an endless size', `${CHUNKED}${'f'.repeat(9)}\r\n`, 200, 'broken'],
  ['bare line feeds in chunks', `${CHUNKED}4\nabcd\n0\n\n`, 200, 'broken'],
];

describe('an answer', () => {
  it.each(WHOLE)('with %s', (_name, text, status, progress) => {
    expect(read(text)).toMatchObject({ began: 1, progress, heads: [[status, undefined]] });
  });

  it('is the same in whatever pieces it comes', () => {
    const pieces = fc.array(fc.nat(), { maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom(...WHOLE), pieces, ([, text], at) => {
        const { bytes: _whole, ...whole } = read(text);
        const { bytes: _cut, ...cut } = read(text, at);
        expect(cut).toEqual(whole);
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9\r\n'],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
    ['a line without a colon', head('nonsense')],
    ['a folded line', head('A: b', ' c: d')],
    ['a space before the colon', head('Content-Length : 1')],
    ['a line without a name', head(': x')],
    ['a bare line feed', head('A: b\nContent-Length: 0')],
    ['a head that is too large', `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(MAX_HEAD_BYTES)}`],
  ])('that is none: %s', (_name, text) => {
    expect(read(text)).toMatchObject({ began: 1, progress: 'broken', heads: [] });
    expect(read(text, [3])).toMatchObject({ progress: 'broken', heads: [] });
  });

  it('with bytes behind its end costs the socket', () => {
    expect(read(`${head('Content-Length: 1')}xHTTP/1.1 200 OK`).progress).toBe('last');
    expect(read(`${CHUNKED}0\r\n\r\nx`).progress).toBe('last');
  });

  it('that nobody wants any more of is not read on', () => {
    expect(read(`${head('Content-Length: 9')}123456789`, [], 8).progress).toBe('dropped');
  });

  it('tells Retry-After, the first one', () => {
    const text = head('Retry-After:  7 ', 'retry-after: 9', 'Content-Length: 0');
    expect(read(text).heads).toEqual([[200, '7']]);
  });

  it('tells how long its socket is kept, and ends by a close only when nothing else says its end', () => {
    const kept = read(head('Content-Length: 0', 'Keep-Alive: timeout=5, max=100'));
    expect(kept).toMatchObject({ hintMs: 5_000, endsByClose: false });
    expect(read(head('Content-Length: 0')).hintMs).toBe(Infinity);
    expect(read(head()).endsByClose).toBe(true);
    expect(read('HTTP/1.1 200 OK\r\n').endsByClose).toBe(false);
  });
});
