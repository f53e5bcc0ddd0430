// The replay that a path names: its id, or a 404 that does not tell whether somebody else has it.

import type { FastifyRequest } from 'fastify';
import { RepriseError } from '../domain/errors.ts';
import { asJobId, isId, type JobId } from '../domain/ids.ts';

export function jobIdOf(request: FastifyRequest<{ Params: { id: string } }>): JobId {
  return isId(request.params.id) ? asJobId(request.params.id) : noReplay();
}

export function noReplay(): never {
  throw new RepriseError('not_found', 'No replay has this id; GET /v1/replays lists yours.');
}
