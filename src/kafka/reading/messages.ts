// What the main thread and a scan thread say to each other. Streams are known by a number that the main thread
// gives. Events travel packed (packed-batch.ts); everything else is small.

import type { Gap } from '../../domain/job.ts';
import type { ReadWait } from '../../domain/log.ts';
import type { ErrorCode } from '../../domain/errors.ts';
import type { SignalName, Signals } from '../../domain/signals.ts';
import type { SiteConfig } from '../client.ts';
import type { MemberRequest } from './member.ts';
import type { PackedBatch } from './packed-batch.ts';
import type { ReaderOptions } from './shared-reader.ts';

/** Given to a scan thread as it starts. */
export interface ThreadData {
  readonly sites: readonly SiteConfig[];
  readonly options: ReaderOptions;
}

export type ToThread =
  | { readonly type: 'open'; readonly id: number; readonly request: MemberRequest }
  /** The owner wants the next batch; with what it knows of the end now. */
  | { readonly type: 'ask'; readonly id: number; readonly end: number | null; readonly mustReach: number }
  | { readonly type: 'close'; readonly id: number }
  /** Opens connections of the site's first topic, so that the first reading begins at once. */
  | { readonly type: 'warm'; readonly site: string }
  /** Closes the connections; the thread then ends by itself. */
  | { readonly type: 'end' };

export type FromThread =
  | { readonly type: 'batch'; readonly id: number; readonly batch: PackedBatch }
  | { readonly type: 'wait'; readonly id: number; readonly wait: ReadWait | null }
  | { readonly type: 'gap'; readonly id: number; readonly gap: Gap }
  /** `code`: of a RepriseError; null = anything else, for which the stream may be opened again. */
  | { readonly type: 'failed'; readonly id: number; readonly code: ErrorCode | null; readonly detail: string }
  | { readonly type: 'signal'; readonly name: SignalName; readonly fields: Signals[SignalName] };
