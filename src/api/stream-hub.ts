// All streams of one instance, fed by one poll.
//
//   streams ──> followers by job ──> pass: 1 look at all watched jobs ─> facts of those that have new ones (1 query)
//                                          └─ rows of those whose progress moved (1 query) ─> events to each follower
//
// A follower is a position: the seq that its client has. A pass gives it what comes after, in order and without a gap,
// out of the transitions themselves; so it does not matter which instance a client comes to, when, or how often, nor
// which instance runs the job. There is no queue: what a slow client has not taken is read again when it has room.
// Nobody polls while no stream is open. Refused: knowing HTTP (event-stream.ts) or who may look (the route).

import { RepriseError } from '../domain/errors.ts';
import type { JobId, TenantId } from '../domain/ids.ts';
import { pause } from '../domain/pause.ts';
import type { JobLook, ReplayStore, Transition } from '../domain/replay-store.ts';
import type { Emit } from '../domain/signals.ts';
import type { JobView } from '../domain/store.ts';
import { statesTagged } from '../machines/replay-job/decide.ts';
import { eventText, type EventStream } from './event-stream.ts';
import { showTransition } from './views.ts';

export interface StreamLimits {
  /** Streams of this instance. */
  readonly most: number;
  readonly mostPerTenant: number;
}

export interface StreamHubOptions extends StreamLimits {
  readonly store: Pick<ReplayStore, 'lookAt' | 'jobs' | 'transitionsAfter'>;
  readonly emit: Emit;
  readonly pollMs: number;
  /** JSON text of a job's progress. */
  readonly progress: (job: JobView) => string;
}

interface Follower {
  readonly stream: EventStream;
  /** Seq of the last transition that was written. */
  sent: number;
  /** Of the last progress that was written. */
  revision: string | null;
}

/** Transitions per job and pass: a long history is caught up with piece by piece. */
const BATCH = 50;

export class StreamHub {
  readonly #options: StreamHubOptions;
  readonly #followers = new Map<JobId, Set<Follower>>();
  readonly #byTenant = new Map<TenantId, number>();
  #open = 0;
  #isClosed = false;
  #isRunning = false;
  #wake = new AbortController();

  constructor(options: StreamHubOptions) {
    this.#options = options;
  }

  /** A place for one stream, until the answer is called. Throws RepriseError when there is none. */
  admit(tenant: TenantId): () => void {
    const { most, mostPerTenant, emit } = this.#options;
    const own = this.#byTenant.get(tenant) ?? 0;
    if (own >= mostPerTenant) {
      const detail = `You have ${own} streams open here, as many as one tenant may; close some, or poll the replay with If-None-Match.`;
      throw new RepriseError('too_many_requests', detail);
    }
    if (this.#open >= most || this.#isClosed) {
      const why = this.#isClosed
        ? 'This instance is stopping'
        : 'This instance has as many streams as it may';
      throw new RepriseError('streams_full', `${why}; ask again, another instance may answer.`);
    }
    this.#count(tenant, 1);
    emit('stream.open', { change: 1 });
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#count(tenant, -1);
      emit('stream.open', { change: -1 });
    };
  }

  /** Feeds a stream with what comes after the transition `after`, until either side ends it. */
  follow(id: JobId, stream: EventStream, after: number): void {
    if (this.#isClosed) {
      stream.end();
      return;
    }
    const followers = this.#followers.get(id) ?? new Set();
    followers.add({ stream, sent: after, revision: null });
    this.#followers.set(id, followers);
    this.wake();
    if (!this.#isRunning) void this.#run();
  }

  /** There is something to do before the next poll. */
  wake(): void {
    this.#wake.abort();
  }

  /** Ends all streams; their clients ask another instance. */
  close(): void {
    this.#isClosed = true;
    for (const { stream } of [...this.#followers.values()].flatMap((each) => [...each])) stream.end();
    this.#followers.clear();
    this.wake();
  }

  #count(tenant: TenantId, change: number): void {
    this.#open += change;
    const own = (this.#byTenant.get(tenant) ?? 0) + change;
    if (own === 0) this.#byTenant.delete(tenant);
    else this.#byTenant.set(tenant, own);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#tidy() > 0) {
      this.#wake = new AbortController();
      try {
        if (await this.#pass()) continue;
      } catch {
        // The store has said that the database is away; the streams wait, and their clients see that they are alive.
      }
      await pause(this.#options.pollMs, this.#wake.signal);
    }
    this.#isRunning = false;
  }

  /** Forgets streams that ended; tells how many jobs are watched. */
  #tidy(): number {
    for (const [id, followers] of this.#followers) {
      for (const follower of followers) if (!follower.stream.isOpen) followers.delete(follower);
      if (followers.size === 0) this.#followers.delete(id);
    }
    return this.#followers.size;
  }

  /** true: there is more to write already. */
  async #pass(): Promise<boolean> {
    const { store, progress } = this.#options;
    const watched = new Map([...this.#followers].map(([id, followers]) => [id, [...followers]]));
    const looks = await store.lookAt([...watched.keys()]);
    const of = ({ id }: { readonly id: JobId }): readonly Follower[] =>
      (watched.get(id) ?? []).filter(({ stream }) => stream.isOpen && !stream.isFull);
    const behind = looks.flatMap((look) => {
      const after = Math.min(...of(look).map(({ sent }) => sent));
      return after < look.version ? [{ id: look.id, after }] : [];
    });
    const facts = await store.transitionsAfter(behind, BATCH);
    const moved = looks.filter((look) => of(look).some(({ revision }) => revision !== look.revision));
    const jobs = await store.jobs(moved.map(({ id }) => id));
    const texts = new Map(jobs.map((job) => [job.id, progress(job)]));
    let isMore = false;
    for (const look of looks) {
      const events = (facts.get(look.id) ?? []).map(eventOf);
      for (const follower of of(look)) {
        const wrote = writeFacts(follower, events);
        if (follower.sent >= look.version) settle(follower, look, texts.get(look.id));
        else if (wrote && !follower.stream.isFull) isMore = true;
      }
    }
    this.#endGone(watched, looks);
    return isMore;
  }

  /** Jobs that were pruned: nothing more will come, and asked again there is a 404. */
  #endGone(watched: ReadonlyMap<JobId, readonly Follower[]>, looks: readonly JobLook[]): void {
    const there = new Set(looks.map(({ id }) => id));
    for (const [id, followers] of watched) {
      if (!there.has(id)) for (const { stream } of followers) stream.end();
    }
  }
}

interface FactEvent {
  readonly seq: number;
  readonly text: string;
}

const eventOf = (fact: Transition): FactEvent => ({
  seq: fact.seq,
  text: eventText('transition', JSON.stringify(showTransition(fact)), fact.seq),
});

/** In order and without a gap; true when something was written. */
function writeFacts(follower: Follower, events: readonly FactEvent[]): boolean {
  const before = follower.sent;
  for (const { seq, text } of events) {
    if (seq <= follower.sent) continue;
    if (seq !== follower.sent + 1 || !follower.stream.write(text)) break;
    follower.sent = seq;
  }
  return follower.sent > before;
}

/** The client has all transitions: the progress, if it moved, and the end after a terminal state. */
function settle(follower: Follower, look: JobLook, progress: string | undefined): void {
  const { stream } = follower;
  if (progress === undefined || stream.isFull) return;
  if (TERMINAL.includes(look.state)) {
    stream.end(eventText('progress', progress) + eventText('end', progress));
  } else if (follower.revision !== look.revision && stream.write(eventText('progress', progress))) {
    follower.revision = look.revision;
  }
}

const TERMINAL = statesTagged('terminal');
