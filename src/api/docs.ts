// Swagger UI at /docs: the description as pages, to read and to try. No key is needed to look; requests that are tried
// need one. Invariant: everything it loads comes from this server, and the policy lets a browser load nothing else.

import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { openApiDocument } from './openapi.ts';

const POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  // And the one style attribute of the page: it keeps the definitions of its icons out of sight.
  'style-src': ["'self'", "'unsafe-hashes'", "'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='"],
  // Icons of its style sheet are data.
  'img-src': ["'self'", 'data:'],
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};

/** Call after describeRoutes. */
export async function serveDocs(app: FastifyInstance): Promise<void> {
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: POLICY,
    theme: { title: 'Reprise' },
    uiConfig: { docExpansion: 'list', deepLinking: true },
    transformSpecification: () => openApiDocument(app),
    transformSpecificationClone: false,
  });
}
