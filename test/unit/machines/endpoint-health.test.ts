// When delivery is suspended, probed, taken up again, and when a job is paused because of its endpoint.

import { describe, expect, it } from 'vitest';
import { EndpointHealth } from '../../../src/machines/endpoint-health.ts';

const policy = { failuresInARow: 5, probeBaseMs: 100, probeCapMs: 1_000, downLimitMs: 10_000 };
const failed = (atMs: number) => ({ type: 'FAILED', sentAtMs: atMs, atMs }) as const;

function down(): EndpointHealth {
  const health = new EndpointHealth(policy);
  for (let i = 0; i < 5; i++) health.tell(failed(i));
  return health;
}

describe('the health of an endpoint', () => {
  it('is suspended by failures in a row, not by scattered ones', () => {
    const health = new EndpointHealth(policy);
    for (let i = 0; i < 50; i++) {
      for (let n = 0; n < 4; n++) health.tell(failed(i));
      health.tell({ type: 'SUCCEEDED', atMs: i });
    }
    expect(health.isSuspended).toBe(false);
    expect(down().isSuspended).toBe(true);
  });

  it('is probed with growing gaps and taken up again by a success', () => {
    const health = down();
    const gaps: number[] = [];
    let atMs = 4;
    for (let i = 0; i < 6; i++) {
      gaps.push(health.nextProbeMs - atMs);
      atMs = health.nextProbeMs;
      health.tell(failed(atMs));
    }
    expect(gaps).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    health.tell({ type: 'SUCCEEDED', atMs });
    expect(health.isSuspended).toBe(false);
    expect(health.pause).toBeNull();
    health.tell(failed(atMs));
    expect(health.isSuspended).toBe(false);
  });

  it('pauses the job once it was down beyond the limit', () => {
    const health = down();
    health.tell(failed(10_003));
    expect(health.pause).toBeNull();
    health.tell(failed(10_004));
    expect(health.pause).toBe('endpoint_unavailable');
  });

  it('pauses the job at a 410', () => {
    const health = new EndpointHealth(policy);
    health.tell({ type: 'GONE', atMs: 1 });
    expect(health.pause).toBe('endpoint_gone');
  });

  it('pauses the job when all of the first 20 were given up, and not when one was taken', () => {
    const bad = new EndpointHealth(policy);
    for (let i = 0; i < 19; i++) bad.ended(true, 0);
    expect(bad.pause).toBeNull();
    bad.ended(true, 0);
    expect(bad.pause).toBe('endpoint_rejects');
    const mixed = new EndpointHealth(policy);
    mixed.ended(false, 0);
    for (let i = 0; i < 60; i++) mixed.ended(true, 0);
    expect(mixed.pause).toBeNull();
  });

  it('pauses the job when more than half of the last 200 were given up', () => {
    const health = new EndpointHealth(policy);
    for (let i = 0; i < 500; i++) health.ended(false, 0);
    for (let i = 0; i < 100; i++) health.ended(true, 0);
    expect(health.pause).toBeNull();
    health.ended(true, 0);
    expect(health.pause).toBe('endpoint_rejects');
  });
});

describe('failures that say nothing about the endpoint', () => {
  it('are those of requests that were in flight as it went down: they do not put off the first probe', () => {
    const health = down();
    const first = health.nextProbeMs;
    for (let i = 0; i < 54; i++) health.failed({ isFirst: true, maybeSent: true }, 1, 5);
    expect(health.nextProbeMs).toBe(first);
    health.failed({ isFirst: true, maybeSent: true }, first, first);
    expect(health.nextProbeMs).toBeGreaterThan(first);
  });

  it('are the repeated ones of a few poison events, once the endpoint took others', () => {
    const health = new EndpointHealth(policy);
    health.tell({ type: 'SUCCEEDED', atMs: 0 });
    for (const event of [1, 2, 3]) {
      for (let attempt = 0; attempt < 8; attempt++)
        health.failed({ isFirst: attempt === 0, maybeSent: true }, event, event);
    }
    expect(health.isSuspended).toBe(false);
    for (const event of [4, 5]) health.failed({ isFirst: true, maybeSent: true }, event, event);
    expect(health.isSuspended).toBe(true);
  });

  it('is suspended by requests that never left, whichever events they were of', () => {
    const health = new EndpointHealth(policy);
    health.tell({ type: 'SUCCEEDED', atMs: 0 });
    // A narrow window tries the same event again and again; no event can be the cause of a closed port.
    for (let i = 1; i < 5; i++) health.failed({ isFirst: i === 1, maybeSent: false }, i, i);
    expect(health.isSuspended).toBe(false);
    health.failed({ isFirst: false, maybeSent: false }, 5, 5);
    expect(health.isSuspended).toBe(true);
  });
});
