// Conditional requests (RFC 9110): `ETag` and 304 for what is looked at again and again, `If-Match` for changes.
//
// An entity tag is "v<version>-<digest>": the version that changes are held against, and a digest of the answer itself.
// Of a replay nearly everything moves without a new version (counts, cut, rate, heartbeat, gaps, what it waits for), so
// no list of columns would be whole; the digest leaves nothing out. It costs no read that the answer does not cost.
//
// `If-Match` compares the version alone: a running replay has another digest each 200 ms, and who changes its rate
// wants to know that nobody else has steered it, not that it stood still. By the rule of If-Match a weak tag matches
// nothing.
//
// Such an answer is `private, no-cache`, not `no-store` as all others: a client must be able to keep the body that a
// 304 refers to, and must ask each time before it uses it. It depends on the key that was sent: `Vary`.

import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { RepriseError } from '../domain/errors.ts';

interface Versioned {
  readonly version: number;
}

export const ifNoneMatchHeader = Type.Object({
  'if-none-match': Type.Optional(
    Type.String({
      maxLength: 1000,
      description: 'ETags of earlier answers: 304 when it still has one of them',
    }),
  ),
});
export const ifMatchHeader = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      maxLength: 1000,
      description:
        'ETags of earlier answers: changed only if its version is still that of one of them, else 412',
    }),
  ),
});
export const notModified = Type.Null({ description: 'it has not changed since the answer with this ETag' });

/** For an answer without a body: `null` would be one, of JSON, for which there is a content type. */
export const NO_BODY = undefined as unknown as null;

/** The tag of an answer whose fields are final. */
export function etagOf(answer: Versioned): string {
  const digest = hash('sha256', JSON.stringify(answer), 'base64url').slice(0, 22);
  return `"v${answer.version}-${digest}"`;
}

type Tagged = Pick<FastifyReply, 'header' | 'code'>;

/** Sets the headers; true = the client has this very answer, and the status is 304. */
export function isUnchanged(
  { headers }: Pick<FastifyRequest, 'headers'>,
  reply: Tagged,
  answer: Versioned,
): boolean {
  const etag = etagOf(answer);
  reply.header('etag', etag);
  reply.header('cache-control', 'private, no-cache');
  reply.header('vary', 'authorization');
  const known = headers['if-none-match'];
  if (known === undefined) return false;
  const same = known.trim() === '*' || tagsIn(known).some((tag) => tag.replace(/^W\//, '') === etag);
  if (same) reply.code(304);
  return same;
}

/** The versions that a change is meant for; null = any. */
export function wantedVersions({ headers }: Pick<FastifyRequest, 'headers'>): readonly number[] | null {
  const wanted = headers['if-match'];
  if (wanted === undefined || wanted.trim() === '*') return null;
  return tagsIn(wanted).flatMap((tag) => {
    const version = /^"v(\d{1,9})(-[\w-]{0,64})?"$/.exec(tag)?.[1];
    return version === undefined ? [] : [Number(version)];
  });
}

/** Entity tags of a list; what is none is left out. */
const tagsIn = (list: string): readonly string[] => list.match(/(?:W\/)?"[\x21\x23-\x7e]*"/g) ?? [];

export function preconditionFailed(): RepriseError {
  return new RepriseError(
    'precondition_failed',
    'It has another version than the one in If-Match; look at it again, then decide anew.',
  );
}
