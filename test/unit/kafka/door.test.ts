// Who was refused does not knock at once again, nobody else does, and one who is let in opens the door for all.

import { expect, it } from 'vitest';
import { AccessRefused } from '../../../src/kafka/access.ts';
import { Door } from '../../../src/kafka/door.ts';

const site = { name: 'dc1', brokers: ['k:9092'], topics: ['a'], sasl: null };
const refusal = new AccessRefused(site, 'no');

/** A door of a site that answers as `answer` says, by a clock of its own. */
function doorAt(answer: { error: Error | null }) {
  const clock = { ms: 0 };
  const door = new Door(site, () => clock.ms);
  let knocks = 0;
  const knock = async (): Promise<string> => {
    try {
      return await door.enter(() => {
        knocks++;
        return answer.error ? Promise.reject(answer.error) : Promise.resolve('in');
      });
    } catch (error) {
      return (error as Error).message;
    }
  };
  return { clock, knock, knocks: () => knocks };
}

it('asks seldom while it is refused, and tells everybody the same', async () => {
  const answer = { error: refusal };
  const { clock, knock, knocks } = doorAt(answer);
  const seconds: number[] = [];
  for (; clock.ms < 60_000; clock.ms += 10) {
    const before = knocks();
    expect(await knock()).toBe('site dc1: no');
    if (knocks() > before) seconds.push(clock.ms / 1_000);
  }
  // 1, 2, 4, 5, 5 ... seconds, each up to a quarter more.
  expect(seconds.length).toBeGreaterThanOrEqual(11);
  expect(seconds.length).toBeLessThanOrEqual(15);
  expect((seconds[1] ?? 0) - (seconds[0] ?? 0)).toBeGreaterThanOrEqual(1);
  const gaps = seconds.slice(1).map((at, index) => at - (seconds[index] ?? 0));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(6.3);
});

it('lets one try at a time when the wait is over', async () => {
  const { clock, knock, knocks } = doorAt({ error: refusal });
  await knock();
  clock.ms = 1_300;
  await Promise.all(Array.from({ length: 16 }, knock));
  expect(knocks()).toBe(2);
});

it('is open for all once somebody was let in', async () => {
  const answer: { error: Error | null } = { error: refusal };
  const { clock, knock, knocks } = doorAt(answer);
  await knock();
  answer.error = null;
  expect(await knock()).toBe('site dc1: no');
  clock.ms = 1_300;
  expect(await knock()).toBe('in');
  expect(await knock()).toBe('in');
  expect(knocks()).toBe(3);
});

it('does not stand in the way of a broker that is away', async () => {
  const { knock, knocks } = doorAt({ error: new Error('Connection error: connect ECONNREFUSED') });
  for (let i = 0; i < 5; i++) expect(await knock()).toContain('ECONNREFUSED');
  expect(knocks()).toBe(5);
});
