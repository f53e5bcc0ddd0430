// Child of ONGOING: hands events to the webhook, as many at once as window, rate, lease and repeat bound allow,
// judges the answers, and moves the cut. The POSTs are plain async code with a window, not actors.
// `pump` is the whole scheduler: it starts what may start and otherwise leaves, because every reason to wait
// has somebody who wakes it (an answer, a durable cut, a heartbeat, a chunk from dedupe, or one timer).
// A request that was handed over is always accounted for, also when the run stops meanwhile.

import { setMaxListeners } from 'node:events';
import type { Message } from '../domain/message.ts';
import type { Answer } from '../domain/sender.ts';
import { Admission } from './admission.ts';
import { CutKeeper } from './cut-keeper.ts';
import { Endpoint } from './endpoint.ts';
import { Outbox } from './outbox.ts';
import type { Packing } from './outbox.ts';
import { PipeAborted } from './pipe.ts';
import type { Run } from './run.ts';
import { settleDown } from './settle-down.ts';
import { Settlement } from './settlement.ts';

/** Below this many queued events the next chunk is asked for. */
const LOW_WATER = 32;

export async function delivery(run: Run, signal: AbortSignal): Promise<void> {
  const endpoint = await Endpoint.open(run, signal);
  if (!endpoint) return;
  const worker = new Delivery(run, endpoint, signal);
  try {
    await worker.run();
  } finally {
    await endpoint.close();
  }
}

class Delivery {
  readonly #run: Run;
  readonly #endpoint: Endpoint;
  readonly #signal: AbortSignal;
  /** Aborts what is in flight: the lease is over, or the run ends. */
  #flights = new AbortController();
  readonly #cutKeeper: CutKeeper;
  readonly #admission: Admission;
  readonly #outbox: Outbox;
  readonly #settlement: Settlement;
  /** Requests, not events. */
  #inFlight = 0;
  #inFlightTold = 0;
  #ended = false;
  #timer: NodeJS.Timeout | null = null;
  #comesLater = false;
  #finish: () => void = () => undefined;
  #wakeFeeder: (() => void) | null = null;

  constructor(run: Run, endpoint: Endpoint, signal: AbortSignal) {
    this.#run = run;
    this.#endpoint = endpoint;
    this.#signal = signal;
    setMaxListeners(0, this.#flights.signal);
    this.#cutKeeper = new CutKeeper(run, signal);
    this.#admission = new Admission(run, endpoint, this.#cutKeeper, this.#wakeIn);
    this.#outbox = new Outbox(run.job.spec.order === 'strict');
    this.#settlement = new Settlement(run, endpoint, this.#outbox);
  }

  /** Until everything is settled, a wish to stop is granted, or the machine leaves ONGOING. */
  async run(): Promise<void> {
    this.#run.wake = () => {
      this.#pump();
    };
    this.#signal.addEventListener('abort', () => {
      this.#flights.abort();
      this.#finish();
    });
    const feeding = this.#feed();
    const cutting = this.#cutKeeper.run();
    do {
      const finished = new Promise<void>((resolve) => {
        this.#finish = resolve;
      });
      this.#pump();
      await finished;
    } while (!(await settleDown(this.#run, this.#isDrained, this.#signal)));
    if (this.#timer) clearTimeout(this.#timer);
    this.#releaseFeeder();
    await Promise.all([feeding, cutting]);
  }

  get #isDrained(): boolean {
    return this.#ended && this.#outbox.isEmpty && this.#inFlight === 0;
  }

  /** Keeps the queue filled, a chunk at a time. */
  async #feed(): Promise<void> {
    try {
      for (;;) {
        const chunk = await this.#run.work.take();
        if (!chunk) break;
        this.#outbox.add(chunk);
        this.#pump();
        while (this.#isFed && !this.#signal.aborted) {
          await new Promise<void>((resolve) => (this.#wakeFeeder = resolve));
        }
      }
      this.#ended = true;
      this.#pump();
    } catch (error) {
      if (!(error instanceof PipeAborted)) throw error;
    }
  }

  get #isFed(): boolean {
    const enough = Math.max(LOW_WATER, this.#endpoint.window.limit);
    return this.#outbox.queued >= enough && this.#outbox.holdsMessage(this.#packing);
  }

  get #isHungry(): boolean {
    return this.#outbox.queued < LOW_WATER || !this.#outbox.holdsMessage(this.#packing);
  }

  /** What may go into one request now; the probe of an endpoint that is down is one event. */
  get #packing(): Packing {
    const { profile, pace, health } = this.#endpoint;
    if (profile.mode === 'single' || health.isSuspended) return { profile, most: 1 };
    return { profile, most: Math.min(profile.maxEvents, pace.most, this.#run.edges.settings.maxRepeat) };
  }

  #pump(): void {
    if (this.#signal.aborted) {
      this.#releaseFeeder();
      return;
    }
    this.#holdFlights();
    for (;;) {
      if (this.#isStopping) {
        if (this.#inFlight === 0) this.#finish();
        break;
      }
      const now = this.#run.edges.clock.monoMs();
      if (!this.#outbox.has(now)) {
        this.#idle(now);
        break;
      }
      // The lease was asked above, and is again as bytes are written.
      if (this.#flights.signal.aborted || !this.#admission.mayStart(this.#inFlight, now)) break;
      const { room } = this.#run.progress.cut;
      const packing = this.#packing;
      if (this.#run.work.size > 0 && this.#outbox.wouldBeShort(now, packing, room)) break;
      if (!this.#takesTurn()) break;
      const message = this.#outbox.next(now, packing, room);
      if (!this.#admission.mayStartAll(message.events.length, now)) {
        this.#outbox.putBack(message);
        break;
      }
      this.#start(message, now);
    }
    this.#tellGauges();
    if (this.#isHungry) this.#releaseFeeder();
  }

  /** False: this turn of the loop has started enough; the pump comes again in a later one. */
  #takesTurn(): boolean {
    const { turns } = this.#run.edges;
    if (this.#comesLater) return false;
    if (turns.take()) return true;
    this.#comesLater = true;
    turns.later(() => {
      this.#comesLater = false;
      this.#pump();
    });
    return false;
  }

  /** Nothing new is started. */
  get #isStopping(): boolean {
    return this.#run.isStopping || this.#run.lease.isLost;
  }

  /** A lease that is over takes its requests with it; one that came back begins with fresh ones. */
  #holdFlights(): void {
    if (!this.#run.lease.mayAct) this.#flights.abort();
    else if (this.#flights.signal.aborted && this.#inFlight === 0) {
      this.#flights = new AbortController();
      setMaxListeners(0, this.#flights.signal);
    }
  }

  #idle(now: number): void {
    if (this.#outbox.nextDueMs < Infinity) this.#wakeIn(this.#outbox.nextDueMs - now);
    else if (this.#isDrained) this.#finish();
    else if (this.#ended) this.#run.enter('draining');
    else if (this.#inFlight === 0 && this.#run.waits.size > 0 && this.#run.phase !== 'rebuilding') {
      this.#run.enter('waiting');
    }
  }

  #start(message: Message, sentAtMs: number): void {
    this.#inFlight++;
    this.#run.progress.cut.started(message.events.length);
    if (this.#run.phase === 'throttled' || this.#run.phase === 'waiting') {
      this.#run.enter(this.#ended ? 'draining' : 'streaming');
    }
    try {
      this.#endpoint.send(message, this.#flights.signal, (answer) => {
        try {
          this.#answered(message, answer, sentAtMs);
        } catch (error) {
          this.#run.crash(error);
        }
      });
    } catch (error) {
      this.#run.crash(error);
    }
  }

  #answered(message: Message, answer: Answer, sentAtMs: number): void {
    const { progress } = this.#run;
    this.#settlement.answered(message, answer, sentAtMs, this.#inFlight);
    this.#inFlight--;
    this.#run.endpointPause = this.#endpoint.pause;
    if (progress.cut.isDue) this.#cutKeeper.cutNow();
    this.#pump();
  }

  readonly #wakeIn = (ms: number): void => {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#pump();
      },
      Math.max(0, ms),
    );
  };

  #releaseFeeder(): void {
    this.#wakeFeeder?.();
    this.#wakeFeeder = null;
  }

  #tellGauges(): void {
    const { gauges, edges } = this.#run;
    const change = this.#inFlight - this.#inFlightTold;
    if (change !== 0) edges.emit('delivery.in_flight', { change });
    this.#inFlightTold = this.#inFlight;
    gauges.inFlight = this.#inFlight;
    gauges.window = this.#endpoint.window.limit;
    gauges.queued = this.#outbox.queued;
    gauges.retrying = this.#outbox.waiting;
  }
}
