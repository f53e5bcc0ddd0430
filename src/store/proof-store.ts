// The prover's side of the store, as domain/proof.ts draws it. Only wiring.

import type { ProofStore } from '../domain/proof.ts';
import type { Database } from './database.ts';
import { beginProof, dueProofs, endProof } from './proofs.ts';
import { withRetries } from './retries.ts';

export function createProofStore(db: Database): ProofStore {
  return {
    beginProof: (id, moment, tenant) => beginProof(db, id, moment, tenant),
    endProof: (task, reason, step) => endProof(db, task, reason, step),
    dueProofs: (profiles, limit) => withRetries(db.emit, () => dueProofs(db.sessions, profiles, limit)),
  };
}
