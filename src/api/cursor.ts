// Cursors of lists as clients see them: opaque base64url that names its list, so that one of another list or a
// made-up one is refused instead of answering a wrong page. The store's own cursor is inside, unexplained.

import { RepriseError } from '../domain/errors.ts';
import type { Page, PageRequest } from '../domain/replay-store.ts';

export const DEFAULT_LIMIT = 20;
export const MAX_LIMIT = 100;

/** What the store gives out: a position, by id, by seq, or by a place in the log. */
const POSITION = /^\d{1,19}(:\d{1,19}:[\w./-]{1,300})?$/;

export interface PageQuery {
  readonly limit?: number;
  readonly cursor?: string;
}

/** The store's page request; throws RepriseError `invalid_request` for a cursor that this list never gave. */
export function pageRequest(list: string, query: PageQuery): PageRequest {
  const limit = query.limit ?? DEFAULT_LIMIT;
  if (query.cursor === undefined) return { limit, cursor: null };
  const text = Buffer.from(query.cursor, 'base64url').toString('utf8');
  const position = text.startsWith(`${list}:`) ? text.slice(list.length + 1) : '';
  if (!POSITION.test(position) || encode(list, position) !== query.cursor) {
    const detail = 'is not from this list; allowed: a nextCursor of an earlier answer, unchanged';
    throw new RepriseError('invalid_request', `cursor ${detail}.`, {
      faults: [{ pointer: 'cursor', detail }],
    });
  }
  return { limit, cursor: position };
}

/** A page of the store as the API answers it. */
export function pageAnswer<Item, Shown>(
  list: string,
  page: Page<Item>,
  show: (item: Item) => Shown,
): { items: Shown[]; nextCursor: string | null } {
  const nextCursor = page.nextCursor === null ? null : encode(list, page.nextCursor);
  return { items: page.items.map(show), nextCursor };
}

/**
 * Sets `Link` to the next page (RFC 8288), with everything else that was asked for; relative, as `Location` is.
 */
export function linked<Answer extends { readonly nextCursor: string | null }>(
  { url }: { readonly url: string },
  reply: { header(name: string, value: string): unknown },
  answer: Answer,
): Answer {
  if (answer.nextCursor === null) return answer;
  const [path = '', query = ''] = url.split('?', 2);
  const params = new URLSearchParams(query);
  params.set('cursor', answer.nextCursor);
  reply.header('link', `<${path}?${params.toString()}>; rel="next"`);
  return answer;
}

const encode = (list: string, position: string): string =>
  Buffer.from(`${list}:${position}`).toString('base64url');
