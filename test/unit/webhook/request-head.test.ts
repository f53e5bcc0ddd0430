// The text of a request's head, and what must not get into it.

import { describe, expect, it } from 'vitest';
import { RequestHead } from '../../../src/webhook/request-head.ts';

const START = 'POST /hook?x=1 HTTP/1.1\r\nhost: [::1]:8080\r\nconnection: keep-alive\r\n';

describe('the head of a request', () => {
  it('has all headers in their order, and the length', () => {
    const head = new RequestHead(new URL('http://[::1]:8080/hook?x=1#part'));
    expect(head.of(['a', '1', 'b-c', 'x y\u00e9'], 7)).toBe(
      `${START}a: 1\r\nb-c: x y\u00e9\r\ncontent-length: 7\r\n\r\n`,
    );
    expect(head.of([], 0)).toBe(`${START}content-length: 0\r\n\r\n`);
  });

  it.each([
    ['a line feed', 'x', 'a\nb'],
    ['a carriage return', 'x', 'a\rb'],
    ['a NUL', 'x', 'a\0'],
    ['a character beyond one byte', 'x', '\u0100'],
    ['a name with a space', 'x y', 'a'],
    ['a name with a colon', 'x:', 'a'],
    ['no name', '', 'a'],
  ])('refuses %s, also where a good one stood before', (_what, name, value) => {
    const head = new RequestHead(new URL('http://127.0.0.1/'));
    expect(head.of(['x', 'a'], 1)).not.toBeNull();
    expect(head.of([name, value], 1)).toBeNull();
    expect(head.of([name, value], 1)).toBeNull();
    expect(head.of(['x', 'a'], 1)).not.toBeNull();
  });
});
