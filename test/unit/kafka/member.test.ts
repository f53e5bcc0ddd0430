// A member that holds its group back must have given what it has to who asked.

import { expect, it } from 'vitest';
import { sourceName } from '../../../src/domain/ids.ts';
import { Member } from '../../../src/kafka/reading/member.ts';

const T = 1_795_000_000_000;
const pin = { source: sourceName('dc1', 'log'), topic: 'log', partition: 0, start: 0, end: 100, first: null };

function asking(events: number): { member: Member; asked: ReturnType<Member['ask']> } {
  const range = { key: 'w', fromMs: T, toMs: T + 1, identity: 'value', scan: 'full' } as const;
  const place = { pin, start: 0, end: 100, mustReach: 0, disorderSlackMs: 0 };
  const member = new Member({ ...range, ...place }, { wait: () => undefined, gap: () => undefined });
  member.most = { events, bytes: Infinity };
  return { member, asked: member.ask(100, 0) };
}

function pass(member: Member, records: number): void {
  const hit = {
    key: 0,
    timestampMs: T,
    value: Buffer.from('v'),
    header: null,
    bytes: Buffer.alloc(1),
    headersAt: 0,
  };
  for (let n = 1; n <= records; n++) member.accept({ ...hit, offset: member.next + n - 1, scannedBefore: n });
  const next = member.next + records;
  member.passed({ next, scanned: records, bytes: 9, lastTimestampMs: T, caughtUp: false });
}

it('gives what it has when that fills it, however little it is', async () => {
  const { member, asked } = asking(3);
  pass(member, 3);
  expect((await asked).count).toBe(3);
  expect(member.isFull).toBe(false);
});

it('is hungry only while nothing waits for who asked, also when its room shrinks', async () => {
  const { member, asked } = asking(3);
  expect(member.hungrySinceMs).not.toBeNull();
  pass(member, 2);
  member.most = { events: 2, bytes: Infinity };
  expect(member.isFull).toBe(true);
  expect(member.hungrySinceMs).toBeNull();
  member.tell();
  expect((await asked).count).toBe(2);
});
