// Replay groups' part of the store, as domain/group.ts draws it. Only wiring: each verb has its own file.

import type { GroupStore } from '../domain/group.ts';
import type { Database } from './database.ts';
import { readGroup } from './group-view.ts';
import { workOn, workOnAny } from './group-work.ts';
import type { Partitions } from './group-work.ts';
import { requestGroup } from './group-request.ts';
import { readGroups, readReplaysOf, steerGroup } from './groups.ts';
import { withRetries } from './retries.ts';

export function createGroupStore(db: Database, partitions: Partitions = () => null): GroupStore {
  const { sessions, emit } = db;
  const reading = <Value>(read: () => Promise<Value>): Promise<Value> => withRetries(emit, read);
  return {
    request: (tenant, request, once = null) => requestGroup(db, tenant, request, once),
    group: (tenant, id) => reading(() => readGroup(sessions, tenant, id)),
    groups: (tenant, page) => reading(() => readGroups(sessions, tenant, page)),
    replaysOf: (tenant, id, page) => reading(() => readReplaysOf(sessions, tenant, id, page)),
    steer: (tenant, id, verb, who) => steerGroup(db, tenant, id, verb, who),
    workOn: (id, ms) => workOn(db, id, ms, partitions),
    work: (ms) => workOnAny(db, ms, partitions),
  };
}
