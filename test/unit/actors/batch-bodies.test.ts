// Bodies that are used again: never one that is still out, and signed as if each had memory of its own.

import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BatchBodies } from '../../../src/actors/batch-bodies.ts';
import { SigningKey } from '../../../src/domain/signature.ts';

describe('the bodies of batches', () => {
  it('share no memory while they are out, and use it again behind that', () => {
    const bodies = new BatchBodies();
    const [first, second] = [bodies.take(100_000), bodies.take(100_000)];
    expect(first.buffer).not.toBe(second.buffer);
    bodies.give(first);
    const third = bodies.take(99_000);
    expect(third.buffer).toBe(first.buffer);
    expect(third.length).toBe(99_000);
    expect(bodies.take(99_000).buffer).not.toBe(first.buffer);
  });

  it('are not too small for a larger one', () => {
    const bodies = new BatchBodies();
    bodies.give(bodies.take(1_000));
    expect(bodies.take(1_000_000).length).toBe(1_000_000);
  });

  it.each([100, 16_000, 17_000, 100_000])(
    'of %i bytes are signed in place, and stay as they are',
    (bytes) => {
      const secret = Buffer.alloc(32, 7);
      const key = new SigningKey(secret);
      const body = new BatchBodies().take(bytes).fill('x');
      const expected = createHmac('sha256', secret).update('b_id.1.').update(body).digest('base64');
      expect(key.mac('b_id.1.', body, true)).toBe(expected);
      expect(key.mac('b_id.1.', body)).toBe(expected);
      expect(body.every((byte) => byte === 0x78)).toBe(true);
      const long = `${'i'.repeat(300)}.1.`;
      expect(key.mac(long, body, true)).toBe(key.mac(long, body));
    },
  );
});
