// Schemas with a name (`title: 'Replay'`, in capitals as a type's) appear once in the description, as components;
// wherever a route uses one stands a reference. So a route's schema stays whole for Fastify, and a new component is
// one word at its definition. A schema may carry another one that is told in its place (`TOLD_AS`): what is checked in
// code, not by the schema. Invariant: one name is one shape.

import { isDeepStrictEqual } from 'node:util';

type Json = Record<string, unknown>;

/** Key of a schema: the one that readers are told instead. */
export const TOLD_AS = 'x-told-as';

const NAME = /^[A-Z][A-Za-z]*$/;

export const schemaRef = (name: string): { $ref: string } => ({ $ref: `#/components/schemas/${name}` });

/** Moves named schemas out of `node` into `named`; returns what stands in their place. */
export function nameSchemas(node: unknown, named: Json): unknown {
  if (Array.isArray(node)) return node.map((item) => nameSchemas(item, named));
  if (typeof node !== 'object' || node === null) return node;
  if (TOLD_AS in node) return nameSchemas(node[TOLD_AS], named);
  const inside: Json = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, isData(key) ? value : nameSchemas(value, named)]),
  );
  const shape = withType(inside);
  const name = shape['title'];
  if (typeof name !== 'string' || !NAME.test(name) || !isSchema(shape)) return shape;
  const known = named[name];
  if (known !== undefined && !isDeepStrictEqual(known, shape)) {
    throw new Error(`two shapes have the name ${name}: give one of them another title`);
  }
  named[name] = shape;
  return schemaRef(name);
}

/** Under these keys are values, not schemas. */
const isData = (key: string): boolean =>
  ['example', 'examples', 'default', 'const', 'enum', 'info'].includes(key);

const isSchema = (shape: Json): boolean => ['type', 'allOf', 'anyOf', 'oneOf'].some((key) => key in shape);

/** TypeBox writes enums without a type; readers and generators of clients want one. */
function withType(shape: Json): Json {
  const { enum: values, type } = shape;
  if (type !== undefined || !Array.isArray(values)) return shape;
  return values.every((value) => typeof value === 'string') ? { type: 'string', ...shape } : shape;
}
