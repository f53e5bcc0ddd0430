// One webhook as one run sees it: where to send, with which signatures, how fast and how many at once. Reads
// the webhook's row anew when its version changes, so a new URL or secret holds from the next attempt; a socket
// to the old URL is not used again.

import { X_SIGNATURE_HEADER, xKey, xSignature } from '../domain/crc.ts';
import type { PauseReason } from '../domain/job.ts';
import { bodyOf, contentType, messageId } from '../domain/message.ts';
import type { DeliveryProfile, Message } from '../domain/message.ts';
import { Pace } from '../domain/pace.ts';
import type { Answer, DeliveryTarget, ReceiverConnection } from '../domain/sender.ts';
import { decodeSecret, sign } from '../domain/signature.ts';
import type { SigningKey } from '../domain/signature.ts';
import { Window } from '../domain/window.ts';
import { EndpointHealth } from '../machines/endpoint-health.ts';
import { pause } from '../domain/pause.ts';
import { BatchBodies } from './batch-bodies.ts';
import { ProofHold } from './proof-hold.ts';
import type { Run } from './run.ts';
import { HeaderClock } from './header-clock.ts';

export class Endpoint {
  readonly window: Window;
  readonly pace: Pace;
  readonly health: EndpointHealth;
  readonly proof: ProofHold;
  readonly #run: Run;
  #target: DeliveryTarget;
  #secrets: readonly SigningKey[];
  /** Of a webhook of profile x. */
  #xKey: SigningKey | null;
  #connection: ReceiverConnection;
  /** Sockets that the connection may open. */
  #sockets: number;
  readonly #times = new HeaderClock();
  readonly #bodies = new BatchBodies();
  readonly #fence: string;
  /** The webhook's own headers, names and values in turn; made once per version of its row. */
  #fixed: readonly string[];

  private constructor(run: Run, target: DeliveryTarget, signal: AbortSignal) {
    this.#run = run;
    this.#target = target;
    this.#fence = String(run.lease.key.fence);
    this.#secrets = target.secrets.map(decodeSecret);
    this.#fixed = target.headers.flat();
    this.#xKey = xKeyOf(target);
    run.targetVersion = target.version;
    this.window = new Window(this.#concurrency());
    this.pace = new Pace(this.#rate());
    this.proof = new ProofHold(run, () => this.#refresh(signal));
    this.health = new EndpointHealth(run.edges.settings.health);
    this.#sockets = this.#concurrency();
    this.#connection = run.edges.sender.connect(target.url, this.#sockets);
  }

  /** Reads the target, however long the database takes; null when `signal` aborted meanwhile. */
  static async open(run: Run, signal: AbortSignal): Promise<Endpoint | null> {
    const target = await readTarget(run, signal);
    if (!target) return null;
    const endpoint = new Endpoint(run, target, signal);
    endpoint.#seen(signal);
    run.retarget = () => endpoint.#refresh(signal);
    run.limitsChanged = () => {
      endpoint.#applyLimits();
    };
    return endpoint;
  }

  /** Why the job is to be paused because of its webhook; null while it may go on. */
  get pause(): PauseReason | null {
    return this.health.pause ?? (this.proof.isInvalid ? 'webhook_invalid' : null);
  }

  /** How the webhook wants its events packed now. */
  get profile(): DeliveryProfile {
    return this.#target.delivery;
  }

  /** Sends one attempt; `onAnswer` is called once, later. A batch is signed as the one message it is. */
  send(message: Message, signal: AbortSignal, onAnswer: (answer: Answer) => void): void {
    const { mode } = this.profile;
    const { events, attempt } = message;
    const isBatch = events.length > 1;
    const body = bodyOf(message, mode, this.#bodies.take);
    const id = messageId(message);
    const seconds = this.#times.seconds(this.#run.edges.clock.wallMs());
    const headers = [
      'content-type',
      contentType(message, mode, this.#target.contentType),
      'user-agent',
      'Reprise',
      'webhook-id',
      id,
      'webhook-timestamp',
      seconds,
      'webhook-signature',
      sign(this.#secrets, id, seconds, body, isBatch),
      'reprise-job-id',
      this.#run.job.id,
      'reprise-fence',
      this.#fence,
      'reprise-event-time',
      this.#times.iso(events[0]?.timestampMs ?? 0),
      'reprise-attempt',
      String(attempt),
    ];
    if (this.#fixed.length > 0) headers.push(...this.#fixed);
    if (this.#xKey) headers.push(X_SIGNATURE_HEADER, xSignature(this.#xKey, body, isBatch));
    if (isBatch) headers.push('reprise-event-count', String(events.length));
    const deadlineMs = this.#run.edges.settings.requestTimeoutMs;
    const bodyLeft = isBatch ? this.#bodies.give : null;
    const request = { body, headers, deadlineMs, signal, mayHandOver: this.#mayHandOver, bodyLeft };
    this.#connection.send(request, onAnswer);
  }

  /** What was allowed when the attempt began may be over when its socket is there. */
  readonly #mayHandOver = (): boolean => this.#run.lease.mayAct && !this.#run.isStopping;

  /** Takes over changed limits of the job and the webhook. */
  #applyLimits(): void {
    // More requests than sockets would wait with their deadline running.
    if (this.#concurrency() > this.#sockets) this.#reconnect();
    this.window.setCap(this.#concurrency());
    const rate = this.#rate();
    if (rate !== this.pace.rate) this.pace.setRate(rate, this.#run.edges.clock.monoMs());
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const target = await readTarget(this.#run, signal);
    if (!target) return;
    const old = this.#target;
    // Two reads at a time: the later answer may be the older one.
    if (target.version < old.version) return;
    this.#target = target;
    this.#secrets = target.secrets.map(decodeSecret);
    this.#fixed = target.headers.flat();
    this.#xKey = xKeyOf(target);
    this.#run.targetVersion = target.version;
    if (target.url !== old.url) this.#reconnect();
    this.#applyLimits();
    this.#seen(signal);
  }

  #seen(signal: AbortSignal): void {
    this.proof.seen(this.#target, signal);
    this.#run.endpointPause = this.pause;
    this.#run.wake();
  }

  /** The retired connection answers what it has in flight; nothing new goes there. */
  #reconnect(): void {
    const retired = this.#connection;
    this.#sockets = this.#concurrency();
    this.#connection = this.#run.edges.sender.connect(this.#target.url, this.#sockets);
    void retired.close().catch(this.#run.crash);
  }

  #concurrency(): number {
    const { spec } = this.#run.job;
    if (spec.order === 'strict') return 1;
    const own = this.#run.edges.settings.concurrency;
    return lowest(this.#target.concurrency ?? own, this.#run.context().limits.concurrency);
  }

  #rate(): number {
    const { maxRate } = this.#run.edges.settings;
    return lowest(lowest(maxRate, this.#target.maxRate), this.#run.context().limits.maxRate);
  }
}

function xKeyOf({ profile, secrets: [newest] }: DeliveryTarget): SigningKey | null {
  return profile === 'x' && newest !== undefined ? xKey(newest) : null;
}

function lowest(limit: number, other: number | null): number {
  return other === null ? limit : Math.min(limit, other);
}

async function readTarget(run: Run, signal: AbortSignal): Promise<DeliveryTarget | null> {
  while (!signal.aborted) {
    try {
      const target = await run.edges.store.target(run.job.spec.webhookId);
      if (!target) throw new MissingWebhook(run.job.spec.webhookId);
      return target;
    } catch (error) {
      if (error instanceof MissingWebhook) throw error;
      await pause(500, signal);
    }
  }
  return null;
}

/** A webhook with live jobs cannot be deleted, so its row must be there. */
class MissingWebhook extends Error {
  constructor(id: string) {
    super(`webhook ${id} of a live job is not in the database`);
  }
}
