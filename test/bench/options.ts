// The options of the benches' command line. Strict: one that is misspelt ends the program instead of being forgotten.

import { parseArgs } from 'node:util';

const OPTIONS = {
  mysql: { type: 'boolean', default: false },
  rounds: { type: 'string', default: '3' },
  only: { type: 'string' },
  sizes: { type: 'string' },
  records: { type: 'string' },
  events: { type: 'string' },
  parts: { type: 'string' },
  jobs: { type: 'string', default: '10000' },
  profile: { type: 'string' },
} as const;

type Values = ReturnType<typeof parsed>['values'];

const parsed = () => parseArgs({ allowPositionals: true, options: OPTIONS });

export const readBenches = (): readonly string[] => parsed().positionals;
export const readOptions = (): Values => parsed().values;

export function wholeNumber(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`"${text}" is not a whole number above 0`);
}

/** Those of `all` that are named, all without names. */
export function chosen(only: string | undefined, all: readonly string[]): readonly string[] {
  const names = only?.split(',') ?? all;
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`there is no "${unknown}"; there are ${all.join(', ')}`);
  return names;
}
