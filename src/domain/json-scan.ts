// Whether a value is one JSON text, and whether it stands on one line: json-text.ts in WebAssembly, 16 bytes of a string
// at a time, because both are asked for every event of a batch (0.4 us per KB instead of 1.4 + 0.1, measured).
// Refuses to say what is in it. Invariant: says what json-text.ts says, which judges itself what does not fit here.

import { isUtf8 } from 'node:buffer';
import { JSON_MODULE } from './json-module.ts';
import { isJson as isJsonText } from './json-text.ts';
import { wasmExports } from './wasm-instance.ts';
import type { Place } from './wasm-instance.ts';

const NEWLINE = 10;
const RETURN = 13;
/** What `check` answers: see wasm/json.ts. */
const REFUSED = 0;
const HIGH = 2;
const BREAK = 4;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly INPUT: Place;
  readonly MAX_INPUT: Place;
  check(length: number): number;
}

const scan = wasmExports(Buffer.from(JSON_MODULE, 'base64')) as Exports;
/** One for all calls, because a call never waits. */
const memory = new Uint8Array(scan.memory.buffer);
const input = scan.INPUT.value;
const mostBytes = scan.MAX_INPUT.value;

export function isJson(bytes: Buffer): boolean {
  if (bytes.length > mostBytes) return isJsonText(bytes);
  return isFine(bytes, check(bytes));
}

/** And without a line break; a carriage return too: many readers of lines take it for a line's end. */
export function isJsonLine(bytes: Buffer): boolean {
  if (bytes.length > mostBytes) return isOneLine(bytes) && isJsonText(bytes);
  const found = check(bytes);
  return (found & BREAK) === 0 && isFine(bytes, found);
}

export function isOneLine(bytes: Buffer): boolean {
  return !bytes.includes(NEWLINE) && !bytes.includes(RETURN);
}

function check(bytes: Buffer): number {
  memory.set(bytes, input);
  return scan.check(bytes.length);
}

/** Bytes above 127 are in strings only, so that most values need no look at their UTF-8. */
function isFine(bytes: Buffer, found: number): boolean {
  return found !== REFUSED && ((found & HIGH) === 0 || isUtf8(bytes));
}
