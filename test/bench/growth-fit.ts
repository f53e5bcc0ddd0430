// Least squares: value = sum of constant x term, with each observation weighed by 1 / value, so that the residuals
// that are made small are relative ones and a long run does not drown the short ones. What costs cannot be below
// zero: a constant that comes out so is left out (0) and the others are fitted again. Refuses what it cannot tell
// apart: fewer observations than terms, or terms that always go together.

export interface Observation {
  readonly value: number;
  readonly terms: readonly number[];
}

export interface Fit {
  readonly constants: readonly number[];
  /** fitted / observed - 1, in the order of the observations. */
  readonly residuals: readonly number[];
}

/** Of the largest pivot; below it two terms go together but for rounding. */
const SINGULAR = 1e-9;

export function leastSquares(observations: readonly Observation[]): Fit {
  const terms = observations[0]?.terms.length ?? 0;
  let used = Array.from({ length: terms }, (_, term) => term);
  for (;;) {
    const found = solve(observations, used);
    const least = Math.min(...found);
    if (least >= 0) {
      const constants = Array.from({ length: terms }, (_, term) => found[used.indexOf(term)] ?? 0);
      return { constants, residuals: observations.map((each) => fitted(constants, each) / each.value - 1) };
    }
    used = used.filter((_, at) => found[at] !== least);
  }
}

export const fitted = (constants: readonly number[], { terms }: Pick<Observation, 'terms'>): number =>
  terms.reduce((sum, term, at) => sum + term * (constants[at] ?? 0), 0);

/** The normal equations of the terms `used`. */
function solve(observations: readonly Observation[], used: readonly number[]): number[] {
  if (observations.length < used.length) {
    throw new Error(`${observations.length} observations cannot tell ${used.length} constants`);
  }
  const rows = observations.map(({ value, terms }) => used.map((term) => (terms[term] ?? 0) / value));
  // All columns of length 1: terms are as small as 1 and as large as 10,000,000.
  const lengths = used.map((_, at) => Math.hypot(...rows.map((row) => row[at] ?? 0)));
  const scaled = rows.map((row) => row.map((each, at) => each / (lengths[at] ?? 1)));
  const equations = used.map((_, left) => [
    ...used.map((_unused, right) =>
      scaled.reduce((sum, row) => sum + (row[left] ?? 0) * (row[right] ?? 0), 0),
    ),
    scaled.reduce((sum, row) => sum + (row[left] ?? 0), 0),
  ]);
  return eliminate(equations).map((each, at) => each / (lengths[at] ?? 1));
}

/** Gauss with pivots; each equation's last number is its right side. */
function eliminate(equations: readonly (readonly number[])[]): number[] {
  const rows = equations.map((row) => [...row]);
  for (let at = 0; at < rows.length; at++) {
    const best = rows.reduce(
      (top, row, n) => (n >= at && Math.abs(row[at] ?? 0) > Math.abs(rows[top]?.[at] ?? 0) ? n : top),
      at,
    );
    [rows[at], rows[best]] = [rows[best] ?? [], rows[at] ?? []];
    const pivot = rows[at] ?? [];
    // Not `< SINGULAR`: without it NaN would pass.
    if (!(Math.abs(pivot[at] ?? 0) >= SINGULAR)) throw new Error('terms that always go together');
    for (const [n, row] of rows.entries()) {
      if (n === at) continue;
      const share = (row[at] ?? 0) / (pivot[at] ?? 1);
      for (let column = at; column < row.length; column++) {
        row[column] = (row[column] ?? 0) - share * (pivot[column] ?? 0);
      }
    }
  }
  return rows.map((row, at) => (row.at(-1) ?? NaN) / (row[at] ?? NaN));
}
