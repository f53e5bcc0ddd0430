// Validation of bodies and queries against their TypeBox schemas: nothing is removed, defaulted or coerced in a
// body, unknown fields are refused, and each fault says what is allowed (the property's description).
// Query values are text by nature: whole decimal numbers are read as such where the schema wants an integer.

import type { FastifySchemaCompiler, preValidationHookHandler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { RepriseError, type InputFault } from '../domain/errors.ts';

interface PropertySchema {
  readonly type?: unknown;
  readonly description?: string;
  /** Of an object inside the body. */
  readonly properties?: Properties;
  /** Of a list inside the body. */
  readonly items?: PropertySchema;
}
type Properties = Readonly<Record<string, PropertySchema>>;

/** One finding of TypeBox's checker, as far as it is used here. */
interface Finding {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

/** For `setValidatorCompiler`; answers RepriseError `invalid_request` with a fault per finding. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const checker = Compile(schema);
  const properties = (schema as { properties?: Properties }).properties ?? {};
  const inBody = httpPart === 'body';
  return (given: unknown) => {
    const value = inBody ? given : readNumbers(given, properties);
    if (checker.Check(value)) return { value };
    const faults = checker.Errors(value).flatMap((finding) => faultsOf(finding, properties, inBody));
    const where = inBody ? 'body' : httpPart === 'headers' ? 'headers' : 'query';
    return {
      error: new RepriseError('invalid_request', `The ${where} is not valid; see errors.`, { faults }),
    };
  };
};

function readNumbers(given: unknown, properties: Properties): unknown {
  const entries = Object.entries(given as Record<string, unknown>).map(([name, value]) => {
    if (properties[name]?.type === 'array') return [name, readList(value)];
    const isNumber = typeof value === 'string' && /^-?\d{1,15}$/.test(value);
    return [name, isNumber && properties[name]?.type === 'integer' ? Number(value) : value];
  });
  return Object.fromEntries(entries);
}

/** A list is one parameter given several times, or once with commas. */
const readList = (value: unknown): unknown =>
  [value].flat().flatMap((part) => (typeof part === 'string' ? part.split(',') : [part]));

function faultsOf(finding: Finding, properties: Properties, inBody: boolean): InputFault[] {
  const { keyword, instancePath, params } = finding;
  // An item of a list that came as one parameter is told as that parameter.
  const at = (path: string): string => (inBody ? path : (path.split('/')[1] ?? ''));
  const names = (key: string): string[] => (params as Record<string, string[]>)[key] ?? [];
  const inside = (name: string): string => at(`${instancePath}/${escapePointer(name)}`);
  const { here, inner } = lookUp(
    properties,
    inBody ? instancePath : instancePath.replace(/^(\/[^/]*).*/, '$1'),
  );
  switch (keyword) {
    case 'required':
      return names('requiredProperties').map((name) => ({
        pointer: inside(name),
        detail: `is missing${allowed(inner[name])}`,
      }));
    case 'additionalProperties':
      return names('additionalProperties').map((name) => ({
        pointer: inside(name),
        detail: `is not known here; allowed: ${Object.keys(inner).join(', ')}`,
      }));
    case 'boolean':
      // The shadow of an additionalProperties finding.
      return [];
    default:
      return [
        {
          pointer: at(instancePath),
          detail: `${finding.message}${allowed(here)}`,
        },
      ];
  }
}

/** The property at a path (none at the root) and the properties in it. */
function lookUp(
  root: Properties,
  path: string,
): { readonly here: PropertySchema | undefined; readonly inner: Properties } {
  let here: PropertySchema | undefined;
  let inner = root;
  for (const name of path.split('/').slice(1)) {
    here = here?.items ?? inner[name];
    inner = here?.properties ?? {};
  }
  return { here, inner };
}

const allowed = (property: PropertySchema | undefined): string =>
  property?.description === undefined ? '' : `; allowed: ${property.description}`;

const escapePointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** For routes whose whole body is optional: a POST without one is a request too; `null` is a wrong one. */
export const allowBarePost: preValidationHookHandler = (request, _reply, done) => {
  if (request.method === 'POST' && request.body === undefined) request.body = {};
  done();
};
