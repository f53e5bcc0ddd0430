// Who is asking: a bearer token becomes a principal, or the request ends with 401 before its body is read.
// Invariant: tokens are compared as SHA-256 digests in constant time, and none is ever logged or answered.

import { hash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RepriseError } from '../domain/errors.ts';
import { DEFAULT_TENANT, type TenantId } from '../domain/ids.ts';

/** On whose behalf a request acts. `name` is what histories show as `by`. */
export interface Principal {
  readonly tenant: TenantId;
  readonly admin: boolean;
  readonly name: string;
}

/** The principal of a token, null for a token nobody has. */
export type Authenticate = (token: string) => Principal | null;

const digest = (token: string): Buffer => hash('sha256', token, 'buffer');

/** Access by one key alone: REPRISE_API_KEY, the admin of the default tenant. */
export function singleKeyAccess(apiKey: string): Authenticate {
  const expected = digest(apiKey);
  const principal: Principal = { tenant: DEFAULT_TENANT, admin: true, name: 'admin' };
  return (token) => (timingSafeEqual(digest(token), expected) ? principal : null);
}

const PRINCIPAL = 'principal';
const BEARER = /^Bearer ([\x21-\x7e]+)$/i;

/** An onRequest hook; throws RepriseError `unauthorized`. */
export function requirePrincipal(authenticate: Authenticate) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
    const principal = token === undefined ? null : authenticate(token);
    if (!principal) {
      reply.header('www-authenticate', 'Bearer realm="reprise"');
      const why = token === undefined ? 'No API key was sent' : 'This API key is not known';
      throw new RepriseError('unauthorized', `${why}; send the header "Authorization: Bearer <key>".`);
    }
    request.setDecorator(PRINCIPAL, principal);
    return Promise.resolve();
  };
}

/** The principal of a request that passed `requirePrincipal`. */
export const principalOf = (request: FastifyRequest): Principal => request.getDecorator<Principal>(PRINCIPAL);

export { PRINCIPAL as PRINCIPAL_DECORATOR };
