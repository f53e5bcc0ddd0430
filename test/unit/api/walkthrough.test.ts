// The executor of documents finds what is wrong, else a document could say anything.

import { describe, expect, it } from 'vitest';
import { difference, functionsOf, stepsOf } from '../../support/walkthrough.ts';

describe('a document', () => {
  it('is read as commands and what they print', () => {
    const text = [
      '```sh',
      '$ not this',
      '```',
      '```console',
      '$ one \\',
      '>   two # until done',
      '{',
      '}',
      '$ three',
      '```',
    ];
    expect(stepsOf(text.join('\n'))).toEqual([
      { command: 'one \\\n  two', expected: '{\n}\n', waits: true, line: 5 },
      { command: 'three', expected: '', waits: false, line: 9 },
    ]);
  });

  it('tells the functions of its reader, and nothing else of what the shell needs', () => {
    const text = ['```sh', 'export A=1', 'api() { curl "$1"; }', '```', '```console', 'no() { x; }', '```'];
    expect(functionsOf(text.join('\n'))).toBe('api() { curl "$1"; }');
  });

  it.each([
    ['{"a": "…", "b": [1, null]}', '{"a":"x","b":[1,null]}', null],
    ['{"a": "whsec_…"}', '{"a":"other"}', 'expected'],
    ['{"a": 1}', '{"a":2}', 'expected'],
    ['{"a": 1}', '{"a":1,"b":2}', 'expected'],
    ['{"a": 1, "b": 2}', '{"a":1}', 'expected'],
    ['[]', '{}', 'expected'],
    ['{"a": null}', '{"a":{}}', 'expected'],
    ['401', '401\n', null],
    ['401', '4010', 'expected'],
    ['HTTP/1.1 200\nlink: …', 'HTTP/1.1 200\r\nlink: x\r\n', null],
    ['one … end', 'one two three end', null],
    ['one … end', 'one end', 'expected'],
    ['{"a": 1}', 'no JSON', 'expected'],
  ])('%s against %s: %s', (expected, printed, found) => {
    const differs = difference(expected, printed);
    if (found === null) expect(differs).toBeNull();
    else expect(differs).toContain(found);
  });
});
