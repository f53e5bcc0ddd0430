// A webhook's receiver and its journal: each request that arrived, by when, and what was answered. The journal is
// what the checker judges deliveries by; it knows nothing of what the product believes.

import { setTimeout as sleep } from 'node:timers/promises';
import { Receiver } from '../support/receiver.ts';
import type { Received, ScriptedAnswer } from '../support/receiver.ts';
import type { Misbehaviour } from '../support/misbehaviour.ts';
import { HEAD_SENT } from './behaviours.ts';
import type { Behaviour } from './behaviours.ts';
import { hashOf } from './random.ts';

/** One request at a receiver. */
export interface Post {
  /** Index of the receiver. */
  readonly target: number;
  readonly job: string;
  readonly event: string;
  readonly fence: number;
  readonly attempt: number;
  /** ms since 1970, when the whole request had arrived. */
  readonly atMs: number;
  /** Hex, of the body that arrived. */
  readonly sha256: string;
  /** The status whose head was written; null without one. */
  readonly status: number | null;
}

interface Pending {
  readonly received: Received;
  readonly atMs: number;
  /** Written by a misbehaviour, past the receiver's own books. */
  readonly headSent: number | null;
}

const USUAL_MS = 8;
const REOPEN_MS = 10_000;

export class Target {
  readonly index: number;
  readonly posts: Post[] = [];
  readonly #receiver: Receiver;
  #pending: Pending[] = [];
  #isDown = false;
  /** What is wrong with it now. */
  #fault: { readonly answer: ScriptedAnswer | Misbehaviour; readonly share: number } | null = null;
  #met = 0;

  private constructor(index: number, receiver: Receiver) {
    this.index = index;
    this.#receiver = receiver;
    receiver.set((received) => this.#answer(received));
  }

  static async start(index: number): Promise<Target> {
    const options = { storeBodies: false, hashBodies: true, trackIds: false, keep: 1 };
    return new Target(index, await Receiver.start(options));
  }

  get url(): string {
    return this.#receiver.url;
  }

  /** From now on `share` of the requests meet the fault; which ones depends on event and attempt alone. */
  async ail(behaviour: Behaviour, share: number): Promise<void> {
    this.#met = 0;
    if (behaviour !== 'down') this.#fault = { answer: behaviour, share };
    else if (!this.#isDown) {
      this.#isDown = true;
      await this.#receiver.down();
    }
  }

  async heal(): Promise<void> {
    this.#fault = null;
    if (this.#isDown) await this.#reopen();
    this.#isDown = false;
  }

  /** Requests that met the last fault. */
  get met(): number {
    return this.#met;
  }

  /** Moves what is over into the journal. */
  settle(all = false): void {
    const open: Pending[] = [];
    for (const pending of this.#pending) {
      if (all || pending.received.endedAtMs !== null) this.posts.push(postOf(this.index, pending));
      else open.push(pending);
    }
    this.#pending = open;
  }

  close(): Promise<void> {
    return this.#receiver.close();
  }

  /** Somebody on this machine may have been given the port meanwhile. */
  async #reopen(): Promise<void> {
    for (const until = performance.now() + REOPEN_MS; ;) {
      try {
        await this.#receiver.up();
        return;
      } catch (error) {
        if (performance.now() > until) throw error;
        await sleep(100);
      }
    }
  }

  #answer(received: Received): ScriptedAnswer | Misbehaviour {
    const fault = this.#fault;
    const key = `${received.webhookId}/${String(received.headers['reprise-attempt'])}`;
    const hit = fault !== null && (hashOf(key) % 1_000) / 1_000 < fault.share;
    if (hit) this.#met += 1;
    const answer = hit ? fault.answer : { status: 200, delayMs: USUAL_MS };
    const headSent = typeof answer === 'string' ? (HEAD_SENT[answer] ?? null) : null;
    this.#pending.push({ received, atMs: Date.now(), headSent });
    return answer;
  }
}

function postOf(target: number, { received, atMs, headSent }: Pending): Post {
  const { headers, webhookId, sha256, status } = received;
  return {
    target,
    job: String(headers['reprise-job-id']),
    event: webhookId,
    fence: Number(headers['reprise-fence']),
    attempt: Number(headers['reprise-attempt']),
    atMs,
    sha256: sha256 ?? '',
    status: status ?? headSent,
  };
}
