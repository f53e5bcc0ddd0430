import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Lifecycle } from '../../../src/lifecycle.ts';

let said: string[];
let stopped: string[];
let lifecycle: Lifecycle;

beforeEach(() => {
  vi.useFakeTimers();
  said = [];
  stopped = [];
  lifecycle = new Lifecycle((line) => said.push(line));
});
afterEach(() => {
  vi.useRealTimers();
});

const never = new Promise<never>(() => undefined);
const ends = (name: string) => (): Promise<true> => {
  stopped.push(name);
  return Promise.resolve(true);
};
const throws = (): never => {
  throw new Error('no');
};
/** What stop() resolves to, and after how long. */
async function outcome(): Promise<{ clean: boolean; afterMs: number }> {
  const startedMs = Date.now();
  const end = lifecycle.stop().then((clean) => ({ clean, afterMs: Date.now() - startedMs }));
  await vi.advanceTimersByTimeAsync(60_000);
  return end;
}

test('parts stop in the reverse order, and say nothing when they do', async () => {
  lifecycle.onClose('database', ends('database'));
  lifecycle.onClose('api', ends('api'));
  lifecycle.onStop('pool', 5_000, ends('pool'));
  expect(await outcome()).toEqual({ clean: true, afterMs: 0 });
  expect(stopped).toEqual(['pool', 'api', 'database']);
  expect(said).toEqual([]);
});

test('an edge that hangs is named, delays the next ones by its deadline, and is no matter of the work', async () => {
  lifecycle.onClose('database', ends('database'));
  lifecycle.onClose('api', () => never);
  lifecycle.onStop('pool', 5_000, ends('pool'));
  expect(await outcome()).toEqual({ clean: true, afterMs: 3_000 });
  expect(stopped).toEqual(['pool', 'database']);
  expect(said).toEqual(['api did not stop within 3000 ms']);
});

test('a server that does not stop by itself has its connections broken off, and then it is in time', async () => {
  const broken = Promise.withResolvers<undefined>();
  const server = { closeAllConnections: () => broken.resolve(undefined) };
  lifecycle.onClose('api', () => broken.promise, server);
  expect(await outcome()).toEqual({ clean: true, afterMs: 1_000 });
  expect(said).toEqual(['api does not stop by itself: its connections are broken off']);
});

test.each([
  ['hangs', () => never, 5_000, 'pool did not stop within 5000 ms'],
  ['fails', () => Promise.reject(new Error('no')), 0, 'stopping pool failed: no'],
  ['throws', throws, 0, 'stopping pool failed: no'],
  ['says that it is not clean', () => Promise.resolve(false), 0, null],
] as const)(
  'what holds work and %s is not clean; the others stop all the same',
  async (_, stop, afterMs, line) => {
    lifecycle.onClose('database', ends('database'));
    lifecycle.onStop('pool', 5_000, stop);
    expect(await outcome()).toEqual({ clean: false, afterMs });
    expect(stopped).toEqual(['database']);
    expect(said).toEqual(line === null ? [] : [line]);
  },
);

test('an edge that fails is named, and is no matter of the work', async () => {
  lifecycle.onClose('delivery log', () => Promise.reject(new Error('away')));
  expect(await outcome()).toEqual({ clean: true, afterMs: 0 });
  expect(said).toEqual(['stopping delivery log failed: away']);
});

test('asked twice it stops once', async () => {
  lifecycle.onClose('api', ends('api'));
  await Promise.all([outcome(), lifecycle.stop()]);
  expect(stopped).toEqual(['api']);
});
