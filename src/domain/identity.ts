// Which event a record is a copy of. An `event-id` header names it (the last one wins); without one the hash
// of the value does, which is Twitter's rule and drops equal events that were meant twice; `value+time` keeps
// those and still recognises mirrored copies. The event id is also the `webhook-id` on the wire, so an id that
// cannot stand in a header is replaced by its hash (a newline would make an event that can never be sent).
// SHA-256 because contents are partly hostile: a cheap hash would let a sender suppress another event.

import { hash } from 'node:crypto';
import type { IdentityMode } from './job.ts';

const SENDABLE = /^[A-Za-z0-9_-]{1,128}$/;

export interface EventIdentity {
  /** Stable over attempts, replays and copies; fits a header. */
  readonly eventId: string;
  /** 128 bits as 22 base64url characters: what the dedupe memory keeps. */
  readonly identity: string;
  /** SHA-256 of `eventId` as 32 latin1 characters, of which the identity is the beginning. */
  readonly digest: string;
}

/** `header` is the last `event-id` header's bytes, or null. */
export function identify(
  header: Buffer | null,
  value: Buffer,
  timestampMs: number,
  mode: IdentityMode,
): EventIdentity {
  const eventId = eventIdOf(header, value, timestampMs, mode);
  return { eventId, identity: identityOf(eventId), digest: digestOf(eventId) };
}

/** Its id alone, at most 128 characters. */
export function eventIdOf(
  header: Buffer | null,
  value: Buffer,
  timestampMs: number,
  mode: IdentityMode,
): string {
  return header && header.length > 0 ? nameOf(header) : valueId(value, timestampMs, mode);
}

/** The identity of an event that is known by its id alone. */
export const identityOf = (eventId: string): string => hash('sha256', eventId, 'base64url').slice(0, 22);

export const digestOf = (eventId: string): string => hash('sha256', eventId, 'binary');

function nameOf(header: Buffer): string {
  const text = header.toString('latin1');
  return SENDABLE.test(text) ? text : `h_${hash('sha256', header, 'base64url')}`;
}

function valueId(value: Buffer, timestampMs: number, mode: IdentityMode): string {
  const digest = hash('sha256', value, 'base64url');
  return mode === 'value' ? `v_${digest}` : `t_${timestampMs}_${digest}`;
}
