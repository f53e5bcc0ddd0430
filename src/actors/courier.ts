// Sends completion events out of the outbox, beside the pool and without its places. Every instance does it: an
// event is taken under a lease, sent without any transaction, and then said to be delivered, due again or given up.
//
//   takeEvents ──> build ──> sign ──> POST ──> settleEvent          at most one per webhook at a time
//
// At least once: whoever is lost in between leaves the lease to run out, and the next one sends the same id again.
// A receiver that hangs holds one place, so that it cannot keep others' events back.
// Refused: a deadline for what is in flight when the instance stops; it ends with the process or is answered before.

import { backoffMs } from '../domain/backoff.ts';
import type { BackoffPolicy } from '../domain/backoff.ts';
import type { Clock } from '../domain/clock.ts';
import { completionId, refusalOf } from '../domain/completion.ts';
import type { Addressee, CompletionOutbox, EventFate, TakenEvent } from '../domain/completion.ts';
import { bodyFor, MOST_EVENT_MINUTES } from '../domain/completion-body.ts';
import { X_SIGNATURE_HEADER, xSignature } from '../domain/crc.ts';
import { messageOf } from '../domain/errors.ts';
import { pause } from '../domain/pause.ts';
import { demandsProof } from '../domain/proof.ts';
import type { ProofMode } from '../domain/proof.ts';
import type { Answer, WebhookSender } from '../domain/sender.ts';
import type { Emit } from '../domain/signals.ts';
import { decodeSecret, sign } from '../domain/signature.ts';

export interface Courier {
  readonly outbox: CompletionOutbox;
  readonly sender: WebhookSender;
  readonly emit: Emit;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly clock: Clock;
  readonly pollIntervalMs: number;
  readonly requestTimeoutMs: number;
  /** The first wait; it doubles up to an hour. */
  readonly retryBaseMs: number;
  /** From the fact on; one attempt is always made. */
  readonly retryForMs: number;
  /** Which webhooks have to prove themselves. */
  readonly proof: ProofMode;
}

const PLACES = 16;
const HOUR_MS = 3_600_000;
/** Of a lease beyond the request: to read what it says, and to write what became of it. */
const LEASE_SPARE_MS = 5_000;
const GONE = 410;
const USER_AGENT = 'Reprise';

/** Resolves after `signal`, when everything that was under way has ended. */
export async function keepSending(courier: Courier, signal: AbortSignal): Promise<void> {
  const { outbox, requestTimeoutMs, pollIntervalMs, random, clock } = courier;
  /** What is under way, by webhook. */
  const flights = new Map<string, Promise<void>>();
  while (!signal.aborted) {
    const takenMs = clock.monoMs();
    const leaseMs = requestTimeoutMs + LEASE_SPARE_MS;
    const request = { limit: PLACES - flights.size, leaseMs, busy: [...flights.keys()] };
    // The store has said that the database is away; the next look may find it back.
    const taken = flights.size < PLACES ? await outbox.takeEvents(request).catch(() => []) : [];
    for (const event of taken) {
      const flight = attempt(courier, event, takenMs + leaseMs).finally(() =>
        flights.delete(event.webhookId),
      );
      flights.set(event.webhookId, flight);
    }
    if (taken.length > 0) continue;
    await idle(pollIntervalMs * (0.5 + random()), flights, signal);
  }
  await Promise.all(flights.values());
}

/** Until the next look; sooner when a place becomes free, as its webhook may have more. */
async function idle(
  ms: number,
  flights: ReadonlyMap<string, Promise<void>>,
  signal: AbortSignal,
): Promise<void> {
  const woken = new AbortController();
  await Promise.race([pause(ms, AbortSignal.any([signal, woken.signal])), ...flights.values()]);
  woken.abort();
}

/** Never rejects: what cannot be written is left to the lease. */
async function attempt(courier: Courier, event: TakenEvent, untilMs: number): Promise<void> {
  const startedMs = courier.clock.monoMs();
  const fate = await tried(courier, event, untilMs);
  let saved: 'saved' | 'fenced';
  try {
    saved = await courier.outbox.settleEvent(event, fate);
  } catch {
    return;
  }
  if (saved === 'saved') tell(courier.emit, event, fate, courier.clock.monoMs() - startedMs);
}

async function tried(courier: Courier, event: TakenEvent, untilMs: number): Promise<EventFate> {
  const { webhook, type } = event;
  const refusal = refusalOf(webhook, type);
  if (!webhook || refusal !== null) return { kind: 'given_up', why: refusal ?? 'webhook_deleted' };
  // It is checked on, and gets its events once it is valid.
  if (isHeldBack(webhook, courier.proof)) return laterOrNever(courier, event, null, 'webhook_invalid');
  try {
    const content = await courier.outbox.eventContent(event, MOST_EVENT_MINUTES);
    if (!content) return { kind: 'given_up', why: 'replay_pruned' };
    const answer = await send(courier, event, webhook, bodyFor(type, content, webhook.profile), untilMs);
    return fateOf(courier, event, answer);
  } catch (error) {
    // A database that went away, or an event that cannot be built: neither may come again at once.
    return laterOrNever(courier, event, null, `not sent: ${messageOf(error)}`);
  }
}

const isHeldBack = ({ profile, validity }: Addressee, mode: ProofMode): boolean =>
  validity.state === 'invalid' && demandsProof(mode, profile);

async function send(
  { sender, requestTimeoutMs, clock }: Courier,
  event: TakenEvent,
  { url, secrets, profile, headers: fixed }: Addressee,
  body: Buffer,
  untilMs: number,
): Promise<Answer> {
  const id = completionId(event);
  const [newest] = secrets;
  const seconds = String(Math.floor(clock.wallMs() / 1_000));
  const headers = [
    ...['content-type', 'application/json', 'user-agent', USER_AGENT],
    ...['webhook-id', id, 'webhook-timestamp', seconds],
    ...['webhook-signature', sign(secrets.map(decodeSecret), id, seconds, body)],
    ...(profile === 'x' && newest !== undefined ? [X_SIGNATURE_HEADER, xSignature(newest, body)] : []),
    ...['reprise-notification', event.type, 'reprise-attempt', String(event.attempt)],
    ...fixed.flat(),
  ];
  const connection = sender.connect(url, 1);
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const { signal } = new AbortController();
  // After the lease another one may be sending it.
  const mayHandOver = (): boolean => clock.monoMs() < untilMs - requestTimeoutMs;
  connection.send({ body, headers, deadlineMs: requestTimeoutMs, signal, mayHandOver }, resolve);
  const answer = await promise;
  void connection.close();
  return answer;
}

function fateOf(courier: Courier, event: TakenEvent, answer: Answer): EventFate {
  if (answer.kind === 'unanswered') return laterOrNever(courier, event, null, answer.failure);
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: 'delivered', status };
  if (status === GONE) return { kind: 'given_up', why: `http_${GONE}` };
  return laterOrNever(courier, event, answer.retryAfterMs, `http_${status}`);
}

/** The last attempt is made when the time is over, not before. */
function laterOrNever(
  { retryBaseMs: baseMs, retryForMs, random }: Courier,
  { attempt: number, ageMs }: TakenEvent,
  retryAfterMs: number | null,
  why: string,
): EventFate {
  const leftMs = retryForMs - ageMs;
  if (leftMs <= 0) return { kind: 'given_up', why };
  const policy: BackoffPolicy = { baseMs, capMs: HOUR_MS, retryAfterCapMs: HOUR_MS };
  return { kind: 'again', afterMs: Math.min(leftMs, backoffMs(number, retryAfterMs, policy, random)), why };
}

function tell(emit: Emit, { jobId, type, attempt }: TakenEvent, fate: EventFate, durationMs: number): void {
  const of = { jobId, type, attempt };
  if (fate.kind === 'delivered') emit('completion.delivered', { ...of, durationMs });
  else if (fate.kind === 'again') {
    emit('completion.again', { ...of, why: fate.why, afterMs: Math.round(fate.afterMs) });
  } else emit('completion.given_up', { ...of, why: fate.why });
}
