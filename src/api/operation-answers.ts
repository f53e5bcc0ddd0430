// The answers of an operation as the description has them: its errors, told by its form and by `fails(...)`, and the
// headers of each answer. Invariant: an error that the API can answer is among them, with its status and code; the
// API's tester (npm run test:api) demands that.

import { ERRORS, RepriseError, type ErrorCode } from '../domain/errors.ts';
import { PROBLEM_EXAMPLES } from './example-problems.ts';
import { headerRefs, type HeaderName } from './headers.ts';
import { BODY_IS_OPTIONAL, FAILS, SENDS } from './operation.ts';
import { PROBLEM_JSON, problemOf } from './problems.ts';

export interface Answer {
  description: string;
  headers?: Record<string, object>;
  content?: Record<string, { schema?: object; example?: unknown; examples?: object }>;
}

export interface Operation {
  operationId?: string;
  security?: readonly object[];
  parameters?: readonly object[];
  requestBody?: { required?: boolean; content: NonNullable<Answer['content']> };
  responses: Record<string, Answer | { $ref: string }>;
  [FAILS]?: readonly ErrorCode[];
  [SENDS]?: readonly HeaderName[];
  [BODY_IS_OPTIONAL]?: boolean;
}

const EXAMPLE_REQUEST_ID = '3f6c1b0e-8a52-4d0c-9d6e-2f4b7a1c5e90';

/** Every code that this operation can answer. */
export function codesOf(method: string, path: string, operation: Operation): ReadonlySet<ErrorCode> {
  const codes = new Set<ErrorCode>(['internal', ...(operation[FAILS] ?? [])]);
  const add = (...more: readonly ErrorCode[]): void => more.forEach((code) => codes.add(code));
  const isOpen = operation.security?.length === 0;
  if (!isOpen) add('unauthorized', 'database_unavailable');
  // A DELETE may carry a body too, and it is read.
  const takesBody = operation.requestBody !== undefined || method === 'delete';
  if (takesBody) add('invalid_request', 'body_too_large', 'unsupported_media_type');
  if ((operation.parameters ?? []).length > 0) add('invalid_request');
  if (path.includes('{')) add('not_found');
  return codes;
}

/** The components of a description that errors need, filled as they are met. */
export type ErrorAnswers = Record<string, Answer>;

/** The headers of each answer that the route itself describes. */
export function tellHeaders(operation: Operation): void {
  for (const [status, answer] of Object.entries(operation.responses)) {
    const isError = status === 'default' || Number(status) >= 400;
    const own = isError ? [] : (operation[SENDS] ?? []);
    if ('description' in answer)
      answer.headers = { ...answer.headers, ...headerRefs(['request-id', ...own]) };
  }
}

/** Replaces what the routes said of themselves by what it means. */
export function completeAnswers(
  method: string,
  path: string,
  operation: Operation,
  errors: ErrorAnswers,
): void {
  tellHeaders(operation);
  const byStatus = Map.groupBy(codesOf(method, path, operation), (code) => ERRORS[code].status);
  for (const [status, codes] of [...byStatus].sort(([one], [other]) => one - other)) {
    const name = codes.map(pascal).sort().join('Or');
    errors[name] ??= failure(status, codes);
    const own = operation.responses[status];
    if (own === undefined) operation.responses[status] = { $ref: `#/components/responses/${name}` };
    else if ('description' in own) own.content = { ...own.content, ...errors[name].content };
  }
  if (operation.requestBody && operation[BODY_IS_OPTIONAL]) operation.requestBody.required = false;
  for (const key of [FAILS, SENDS, BODY_IS_OPTIONAL]) Reflect.deleteProperty(operation, key);
}

const pascal = (code: string): string =>
  code.replaceAll(/(?:^|_)(\w)/g, (_match, letter: string) => letter.toUpperCase());

function failure(status: number, codes: readonly ErrorCode[]): Answer {
  const sorted = codes.toSorted();
  const names: HeaderName[] = ['request-id'];
  if (status === 401) names.push('www-authenticate');
  if (status === 503) names.push('retry-after');
  return {
    description: sorted.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' '),
    headers: headerRefs(names),
    content: {
      [PROBLEM_JSON]: {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { properties: { status: { const: status }, code: { enum: sorted } } },
          ],
        },
        examples: Object.fromEntries(sorted.map((code) => [code, { value: exampleOf(code) }])),
      },
    },
  };
}

function exampleOf(code: ErrorCode): object {
  const { detail, faults = [] } = PROBLEM_EXAMPLES[code] ?? { detail: `${ERRORS[code].title}.` };
  return problemOf(new RepriseError(code, detail, { faults }), EXAMPLE_REQUEST_ID);
}
