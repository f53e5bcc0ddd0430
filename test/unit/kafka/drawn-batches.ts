// Draws batches, damage and snappy streams from a seed: fast enough for a hundred thousand of them, and the same
// again for the same seed.

import snappy from 'snappy';
import type { TestRecord } from './record-batches.ts';

export class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number in [0, below). */
  nat(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  chance(share: number): boolean {
    return this.nat(1_000_000) < share * 1_000_000;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.nat(choices.length)] as T;
  }

  /** Mostly small, now and then large. */
  length(): number {
    return this.nat(this.of([4, 20, 20, 70, 70, 300, 3000]));
  }

  bytes(length: number): Buffer {
    const alphabet = this.of([1, 2, 3, 20, 256]);
    return Buffer.from(Uint8Array.from({ length }, () => this.nat(alphabet)));
  }
}

const HEADER_NAMES = ['event-id', 'event-id', 'event-ix', 'event-i', 'x', ''];

export function drawRecords(draw: Draw, keys: readonly string[], baseMs: number): TestRecord[] {
  const others = ['', 'a', 'other', `${keys[0] ?? ''}x`, 'some-much-longer-key-of-a-webhook'];
  const repeated = draw.bytes(draw.length());
  return Array.from({ length: 1 + draw.nat(draw.of([3, 30, 120])) }, () => ({
    key: draw.chance(0.1) ? null : draw.chance(0.4) ? draw.of(keys) : draw.of(others),
    value: draw.chance(0.1) ? null : draw.chance(0.5) ? repeated : draw.bytes(draw.length()),
    timestampMs: baseMs + draw.nat(400) - 100 + (draw.chance(0.02) ? draw.of([-1, 1]) * 2 ** 41 : 0),
    headers: Array.from({ length: draw.nat(4) }, () => [
      draw.of(HEADER_NAMES),
      draw.chance(0.2) ? null : draw.bytes(draw.nat(30)),
    ]),
  }));
}

const TELLING = [0x00, 0x01, 0x0c, 0x7e, 0x7f, 0x80, 0xfe, 0xff];

/** Flips, overwrites, cuts, repeats or inserts; at least one of them. */
export function damage(draw: Draw, good: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(good);
  for (let times = draw.of([1, 1, 1, 2, 5]); times > 0 && bytes.length > 0; times--) {
    // Lengths and tags stand at the beginning more often than anywhere else.
    const at = draw.nat(draw.chance(0.4) ? Math.min(bytes.length, 48) : bytes.length);
    switch (draw.nat(6)) {
      case 0:
      case 1:
        bytes[at] = (bytes[at] as number) ^ (1 << draw.nat(8));
        break;
      case 2:
        bytes[at] = draw.of(TELLING);
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), draw.bytes(1 + draw.nat(9)), bytes.subarray(at)]);
        break;
      default:
        bytes.fill(draw.of(TELLING), at, Math.min(bytes.length, at + 1 + draw.nat(10)));
    }
  }
  return bytes;
}

/** A raw snappy block of elements of every kind; most are right, and so is its length. */
export function drawSnappy(draw: Draw): Buffer {
  const parts: Buffer[] = [];
  let made = 0;
  const wrong = draw.of([0, 0, 0.02]);
  for (let elements = draw.nat(draw.of([6, 60])); elements > 0; elements--) {
    const kind = draw.nat(4);
    if (kind === 0 || (made === 0 && !draw.chance(wrong))) {
      const length = 1 + draw.nat(draw.of([16, 60, 70, 300, 70_000]));
      parts.push(literalTag(draw, length), draw.bytes(length));
      made += length;
      continue;
    }
    const length = kind === 1 ? 4 + draw.nat(8) : 1 + draw.nat(64);
    const reach = Math.min(made, kind === 1 ? 2047 : kind === 2 ? 65_535 : 2 ** 31);
    const near = 1 + draw.nat(Math.max(1, Math.min(reach, draw.of([1, 3, 8, 16, 40, 2 ** 31]))));
    const offset = draw.chance(wrong) ? draw.of([0, made + 1, 2047]) : near;
    const tail = Buffer.alloc(kind === 1 ? 1 : kind === 2 ? 2 : 4);
    if (kind === 1) tail[0] = offset & 0xff;
    else if (kind === 2) tail.writeUInt16LE(offset & 0xffff);
    else tail.writeUInt32LE(offset);
    const tag = kind === 1 ? ((offset >> 8) & 7) * 32 + (length - 4) * 4 + 1 : (length - 1) * 4 + kind;
    parts.push(Buffer.from([tag]), tail);
    made += length;
  }
  const claimed = draw.chance(wrong) ? draw.of([0, made + 1, Math.max(0, made - 1), 2 ** 31, 2 ** 32]) : made;
  return Buffer.concat([varint(claimed), ...parts]);
}

function literalTag(draw: Draw, length: number): Buffer {
  const least = length <= 60 ? 0 : length <= 256 ? 1 : length <= 65_536 ? 2 : 3;
  const extra = Math.min(4, least + (draw.chance(0.1) ? draw.nat(3) : 0));
  if (extra === 0) return Buffer.from([(length - 1) * 4]);
  const tag = Buffer.alloc(1 + extra);
  tag[0] = (59 + extra) * 4;
  tag.writeUIntLE(length - 1, 1, extra);
  return tag;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return Buffer.from([...bytes, rest]);
}

/** The records as a producer stores them: raw, or in Java's framing with blocks of any size. */
export function storeSnappy(draw: Draw, body: Buffer): Buffer {
  if (draw.chance(0.3)) return snappy.compressSync(body);
  const parts: Buffer[] = [
    Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
  ];
  const size = draw.of([32 * 1024, 32 * 1024, 1000, 37]);
  for (let at = 0; at < body.length; at += size) {
    const block = snappy.compressSync(body.subarray(at, at + size));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** Records of a few bytes: their lengths are next to what is allowed, their times of up to ten bytes. */
export function drawShortRecords(draw: Draw): { readonly body: Buffer; readonly count: number } {
  const count = 1 + draw.nat(4);
  const records = Array.from({ length: count }, () => {
    const time = Buffer.from(
      Uint8Array.from({ length: 1 + draw.nat(draw.of([2, 11])) }, () => 128 + draw.nat(128)),
    );
    time[time.length - 1] = draw.nat(128);
    const key = draw.of([[1], [0], [0], [2, 0x77], [3]]);
    const rest = draw.of([[], [1, 0], [1, 0], [0, 0], [2, 0x61, 0], [0, 2, 0, 0], [0, 1]]);
    const record = Buffer.concat([Buffer.from([0]), time, Buffer.from([draw.nat(4) * 2, ...key, ...rest])]);
    const cut = draw.chance(0.1) ? record.subarray(0, draw.nat(record.length)) : record;
    return Buffer.concat([varint(2 * (draw.chance(0.1) ? draw.nat(12) : cut.length)), cut]);
  });
  const whole = Buffer.concat(records);
  return { body: draw.chance(0.2) ? whole.subarray(0, draw.nat(whole.length)) : whole, count };
}
