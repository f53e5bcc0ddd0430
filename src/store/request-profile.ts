// How a webhook wants its requests, as its row keeps it: one JSON document (`profile`), whose fields came one after the
// other. Invariant: a change of one field keeps the others, also those that this version does not know.

import type { CompletionType } from '../domain/completion.ts';
import { DEFAULT_CONTENT_TYPE } from '../domain/fixed-headers.ts';
import type { FixedHeaders } from '../domain/fixed-headers.ts';
import { SINGLE } from '../domain/message.ts';
import type { DeliveryProfile } from '../domain/message.ts';
import { fromJsonOrNull, toJson } from './values.ts';

interface RequestProfile {
  readonly delivery: DeliveryProfile;
  readonly contentType: string;
  readonly headers: FixedHeaders;
  readonly notifications: readonly CompletionType[];
}

/** What a draft or a patch says of it. */
type SomeOfProfile = { readonly [Field in keyof RequestProfile]?: RequestProfile[Field] | undefined };

/** What is absent in the row has its default: a webhook from before there were batches has no profile at all. */
export function requestProfileOf(stored: unknown): RequestProfile {
  const { delivery, contentType, headers, notifications } =
    fromJsonOrNull<Partial<RequestProfile>>(stored) ?? {};
  return {
    delivery: delivery ?? SINGLE,
    contentType: contentType ?? DEFAULT_CONTENT_TYPE,
    headers: headers ?? [],
    notifications: notifications ?? [],
  };
}

/** `stored` with the given fields replaced; what this version does not know of it stays. */
export function toProfile(
  { delivery, contentType, headers, notifications }: SomeOfProfile,
  stored: unknown = null,
): string {
  return toJson({
    ...fromJsonOrNull<object>(stored),
    ...(delivery && { delivery }),
    ...(contentType !== undefined && { contentType }),
    ...(headers && { headers }),
    ...(notifications && { notifications }),
  });
}
