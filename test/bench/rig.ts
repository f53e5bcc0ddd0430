// What the benches stand on: a stack tied to the run, instances and receivers as processes of their own, and the
// end of all of them, newest first.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startStack } from '../../scripts/stack/stack.ts';
import type { Stack, StackOptions } from '../../scripts/stack/stack.ts';
import { Instance } from '../support/instance.ts';
import { freePort } from '../support/ports.ts';
import { FarReceiver } from './far-receiver.ts';

const TETHER = join(import.meta.dirname, '..', '..', 'scripts', 'stack', 'tether.ts');
const LOOK_MS = 50;
const ENDED = ['COMPLETED', 'CANCELLED', 'FAILED'];

/** A replay as the API shows it; what the benches read of it. */
export interface Replay {
  readonly id: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly phase: string | null;
  readonly pauseReason: string | null;
  readonly counts: Readonly<
    Record<'scanned' | 'delivered' | 'duplicates' | 'deadLettered' | 'unanswered', number>
  >;
}

export class Rig {
  readonly stack: Stack;
  readonly #cleanups: (() => Promise<unknown>)[] = [];
  #closing: Promise<void> | null = null;

  private constructor(stack: Stack) {
    this.stack = stack;
    this.#cleanups.push(() => stack.stop({ wipe: true }));
  }

  static async open(name: string, options: Omit<StackOptions, 'name' | 'tied'> = {}): Promise<Rig> {
    return new Rig(await startStack({ ...options, name: `bench-${name}-${process.pid}`, tied: true }));
  }

  /** An instance that is ready. */
  async instance(name: string, topic: string, env: Readonly<Record<string, string>> = {}): Promise<Instance> {
    const instance = new Instance({
      name,
      port: await freePort(),
      apiKey: randomBytes(16).toString('hex'),
      databaseUrl: this.stack.databaseUrl,
      brokers: this.stack.brokers,
      topics: [topic],
      logDir: join(this.stack.dir, 'instances'),
      nodeArgs: ['--import', TETHER],
      env: { ...env, REPRISE_TETHER: String(process.pid) },
    });
    this.onClose(() => instance.kill());
    return instance.ready();
  }

  async receiver(delayMs = 0): Promise<FarReceiver> {
    const receiver = await FarReceiver.start(delayMs);
    this.onClose(() => receiver.close());
    return receiver;
  }

  /** Runs before what was registered earlier. */
  onClose(end: () => Promise<unknown>): void {
    this.#cleanups.push(end);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const end of this.#cleanups.reverse()) await end().catch(() => undefined);
    })();
    return this.#closing;
  }
}

/** Registers a webhook; its id. */
export async function webhookAt(
  instance: Instance,
  url: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { status, body } = await instance.call<{ id: string }>('POST', '/v1/webhooks', { url, ...more });
  if (status !== 201) throw new Error(`the webhook was refused with ${status}: ${JSON.stringify(body)}`);
  return body.id;
}

export async function requestReplay(
  instance: Instance,
  webhookId: string,
  range: { readonly fromMs: number; readonly toMs: number },
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { status, body } = await instance.call<{ id: string }>('POST', `/v1/webhooks/${webhookId}/replays`, {
    from: new Date(range.fromMs).toISOString(),
    to: new Date(range.toMs).toISOString(),
    ...more,
  });
  if (status !== 202) throw new Error(`the replay was refused with ${status}: ${JSON.stringify(body)}`);
  return body.id;
}

export async function lookAt(instance: Instance, id: string): Promise<Replay> {
  const { status, body } = await instance.call<Replay>('GET', `/v1/replays/${id}`);
  if (status !== 200) throw new Error(`GET /v1/replays/${id} answered ${status}`);
  return body;
}

/** False when the replay is in no state for it (any more). */
export async function steer(instance: Instance, id: string, verb: 'resume' | 'cancel'): Promise<boolean> {
  const { status } = await instance.call('POST', `/v1/replays/${id}/${verb}`, { reason: 'a bench' });
  if (status !== 202 && status !== 409) throw new Error(`${verb} of replay ${id} answered ${status}`);
  return status === 202;
}

/** Waits until the replay has ended, and refuses another end than `state`. */
export async function untilEnded(
  instance: Instance,
  id: string,
  state: string,
  deadlineMs: number,
): Promise<Replay> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const replay = await lookAt(instance, id);
    if (replay.state === state) return replay;
    if (ENDED.includes(replay.state) || performance.now() > until) {
      throw new Error(`replay ${id} is not ${state}: ${JSON.stringify(replay)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
