// The outbox as domain/completion.ts draws it. Only wiring: each verb has its own function.

import type { CompletionOutbox } from '../domain/completion.ts';
import type { Database } from './database.ts';
import { readEventContent } from './manifest.ts';
import { settleEvent, takeEvents } from './outbox.ts';
import { withRetries } from './retries.ts';

export function createEventStore(db: Database): CompletionOutbox {
  return {
    takeEvents: (request) => takeEvents(db, request),
    eventContent: (key, mostMinutes) =>
      withRetries(db.emit, () => readEventContent(db.sessions, key, mostMinutes)),
    settleEvent: (taken, fate) => settleEvent(db, taken, fate),
  };
}
