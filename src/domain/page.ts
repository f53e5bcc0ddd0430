// Pages of lists, as the store gives them.

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Pass as `cursor` to go on; null at the end. */
  readonly nextCursor: string | null;
}

export interface PageRequest {
  readonly limit: number;
  readonly cursor: string | null;
}
