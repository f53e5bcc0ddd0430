// The headers of a wanted record, for whoever asks for one by its name: read where they lie, nothing is built for those
// of other names. Only while the hit is given (record-walk.ts), and only of records that the walk found well-formed.

import type { EventHeaders } from '../domain/event-filter.ts';
import { Cursor } from './record-walk.ts';
import type { RecordHit } from './record-walk.ts';

export class RecordHeaders implements EventHeaders {
  readonly #hit: Pick<RecordHit, 'bytes' | 'headersAt'>;

  constructor(hit: Pick<RecordHit, 'bytes' | 'headersAt'>) {
    this.#hit = hit;
  }

  some(name: Buffer, holds: (value: Buffer) => boolean): boolean {
    const { bytes, headersAt } = this.#hit;
    const cursor = new Cursor(bytes);
    cursor.pos = headersAt;
    for (let left = cursor.varint(); left > 0; left--) {
      const nameLength = cursor.varint();
      const nameAt = cursor.skip(nameLength, cursor.end);
      const length = cursor.varint();
      const at = length < 0 ? 0 : cursor.skip(length, cursor.end);
      if (length < 0 || nameLength !== name.length) continue;
      if (name.compare(bytes, nameAt, nameAt + nameLength) !== 0) continue;
      if (holds(bytes.subarray(at, at + length))) return true;
    }
    return false;
  }
}
