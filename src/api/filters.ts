// Filters of a replay as clients write them: {header | pointer, equals | in | prefix}. The schema says what one field may
// be; here is what it cannot say: which fields go together. What they mean is domain/event-filter.ts.

import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { InputFault } from '../domain/errors.ts';
import { RepriseError } from '../domain/errors.ts';
import type { EventFilter, FilterValue } from '../domain/job.ts';

const MAX_FILTERS = 10;
const MAX_VALUES = 50;
const MAX_TEXT = 256;
const MAX_NAME = 128;
/** Numbers beyond it are not exact where JSON is read as JavaScript does. */
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;

const POINTER = '^(?:/(?:[^~/]|~[01])*)*$';
const header = {
  minLength: 1,
  maxLength: MAX_NAME,
  description: `the name of a Kafka header, 1 to ${MAX_NAME} characters, case included; any header of this name may hold`,
};
const pointer = {
  maxLength: MAX_TEXT,
  pattern: POINTER,
  description:
    `a JSON pointer (RFC 6901) into the value, at most ${MAX_TEXT} characters, such as /data/status; ` +
    'a value that is not JSON, or has nothing there, does not hold',
};
const scalar = {
  type: ['string', 'number', 'boolean', 'null'],
  maxLength: MAX_TEXT,
  minimum: -MAX_NUMBER,
  maximum: MAX_NUMBER,
};
const equals = {
  ...scalar,
  description:
    `what is there: text of at most ${MAX_TEXT} characters, a number up to 2^53 - 1, true, false or null; ` +
    'of a header text only',
};
const among = {
  minItems: 1,
  maxItems: MAX_VALUES,
  description: `1 to ${MAX_VALUES} such values, one of which is there`,
};
const prefix = {
  minLength: 1,
  maxLength: MAX_TEXT,
  description: `how the text there begins, 1 to ${MAX_TEXT} characters`,
};

const PARTS = 'one of header and pointer, with one of equals, in and prefix';

const filter = Type.Object(
  {
    header: Type.Optional(Type.String(header)),
    pointer: Type.Optional(Type.String(pointer)),
    equals: Type.Optional(Type.Unsafe<FilterValue>(equals)),
    in: Type.Optional(Type.Array(Type.Unsafe<FilterValue>(scalar), among)),
    prefix: Type.Optional(Type.String(prefix)),
  },
  {
    additionalProperties: false,
    minProperties: 2,
    maxProperties: 2,
    description: PARTS,
  },
);
type Filter = Static<typeof filter>;

export const filtersField = Type.Array(filter, {
  maxItems: MAX_FILTERS,
  description: `at most ${MAX_FILTERS} filters; only events for which all hold are replayed`,
  examples: [
    [
      { header: 'x-event-type', equals: 'order.created' },
      { pointer: '/data/status', in: ['paid', 'refunded'] },
    ],
  ],
});

/** As a replay shows them. */
export const filtersShown = Type.Array(filter, {
  description: 'what events must have to be replayed; empty = nothing',
});

/** Throws `invalid_request` with a fault per filter that cannot be. */
export function filtersOf(asked: readonly Filter[]): readonly EventFilter[] {
  const faults = asked.flatMap((each, index) => faultsOf(each, `/filters/${index}`));
  if (faults.length > 0) {
    throw new RepriseError('invalid_request', 'The filters are not valid; see errors.', { faults });
  }
  return asked.map(filterOf);
}

function faultsOf(given: Filter, at: string): readonly InputFault[] {
  const faults: InputFault[] = [];
  // Of its two fields one must be the place: then the other is what is compared.
  if ((given.header === undefined) === (given.pointer === undefined)) {
    faults.push({ pointer: at, detail: `does not fit together; allowed: ${PARTS}` });
  }
  for (const { name, value } of valuesOf(given)) {
    if (given.header !== undefined && typeof value !== 'string') {
      faults.push({ pointer: `${at}/${name}`, detail: 'is no text, which a header is; allowed: a string' });
    }
  }
  const texts: { readonly name: string; readonly value: FilterValue }[] = [...valuesOf(given)];
  if (given.header !== undefined) texts.push({ name: 'header', value: given.header });
  if (given.pointer !== undefined) texts.push({ name: 'pointer', value: given.pointer });
  for (const { name, value } of texts) {
    // A lone surrogate has no UTF-8 form: nothing could ever equal it.
    if (typeof value !== 'string' || value.isWellFormed()) continue;
    faults.push({ pointer: `${at}/${name}`, detail: 'is no valid Unicode text' });
  }
  return faults;
}

function valuesOf(given: Filter): readonly { readonly name: string; readonly value: FilterValue }[] {
  if (given.in) return given.in.map((value, index) => ({ name: `in/${index}`, value }));
  if (given.prefix !== undefined) return [{ name: 'prefix', value: given.prefix }];
  return given.equals === undefined ? [] : [{ name: 'equals', value: given.equals }];
}

function filterOf(given: Filter): EventFilter {
  const { header, pointer = '' } = given;
  const op = given.in ? 'in' : given.prefix !== undefined ? 'prefix' : 'equals';
  const values = valuesOf(given).map(({ value }) => value);
  return header === undefined
    ? { where: 'value', path: pointer, op, values }
    : { where: 'header', path: header, op, values };
}

export const showFilters = (filters: readonly EventFilter[]): Filter[] =>
  filters.map(({ where, path, op, values }) => {
    const place = where === 'header' ? { header: path } : { pointer: path };
    const [first = null] = values;
    if (op === 'in') return { ...place, in: [...values] };
    return op === 'prefix' ? { ...place, prefix: String(first) } : { ...place, equals: first };
  });
