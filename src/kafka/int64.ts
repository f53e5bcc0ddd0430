// int64 fields of the protocol as JavaScript numbers. Offsets and times are below 2^53; a hostile larger value
// only becomes imprecise, and what is computed from it is checked against offsets that are known to be real.

/** The int64 at `at`; throws RangeError outside the buffer. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4);
}

export function writeInt64(buffer: Buffer, value: number, at: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  buffer.writeInt32BE(high, at);
  buffer.writeUInt32BE(value - high * 0x1_0000_0000, at + 4);
}
