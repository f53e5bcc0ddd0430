// How bodies are read. Calls whose parameters are in path and query take any body and look at none, as X's clients
// send what their HTTP library sends; v1.1 takes a form for its query; v2's own call is JSON.
// Invariant: a body that cannot be read is X's error 358, whatever is wrong with it.

import type { FastifyInstance } from 'fastify';
import { X_ERRORS } from './errors.ts';

/** Whatever comes is thrown away; a form, where `forms`, is kept as its text. */
export function ignoreBodies(scope: FastifyInstance, { forms }: { readonly forms: boolean }): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => {
    done(null, undefined);
  });
  if (!forms) return;
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => {
      done(null, body);
    },
  );
}

/** JSON alone; an empty body is none. */
export function readJsonBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, body.length === 0 ? undefined : JSON.parse(utf8.decode(body as Buffer)));
    } catch {
      done(X_ERRORS.unparsable(), undefined);
    }
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** One parameter of a query or a form; a list when it comes more than once. */
export function parameterOf(query: unknown, form: unknown, name: string): unknown {
  const inQuery = (query as Readonly<Record<string, unknown>>)[name];
  if (inQuery !== undefined || typeof form !== 'string') return inQuery;
  const values = new URLSearchParams(form).getAll(name);
  return values.length > 1 ? values : values[0];
}
