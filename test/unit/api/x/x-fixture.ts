// X's routes over a port that answers what the test says; no store, no socket.

import { readFileSync } from 'node:fs';
import fastify, { type FastifyInstance } from 'fastify';
import { PRINCIPAL_DECORATOR, singleKeyAccess } from '../../../../src/api/access.ts';
import { problemHandler } from '../../../../src/api/problems.ts';
import { xFirst } from '../../../../src/api/x-wiring.ts';
import type { XReplays, XWebhooks } from '../../../../src/api/x/port.ts';
import { xRoutes } from '../../../../src/api/x/routes.ts';
import type { SignalName } from '../../../../src/domain/signals.ts';

export const golden = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../golden/x/${name}.json`, import.meta.url), 'utf8'));

export const NOW_MS = Date.parse('2025-04-25T00:00:00.000Z');
export const JOB = { id: '1915510368169844736', createdAtMs: Date.parse('2025-04-24T20:57:15.242Z') };
export const KEY = 'the-key';

export interface Script {
  answer: Awaited<ReturnType<XReplays['request']>> | Error;
  /** What was asked of the port. */
  readonly asked: { webhookId: string; from: string; to: string }[];
  readonly heard: SignalName[];
}

const refuse = () => Promise.reject(new Error('not asked for in this test'));
const NO_WEBHOOKS: XWebhooks = { create: refuse, list: refuse, prove: refuse, remove: refuse };

export async function openX(script: Script, webhooks: Partial<XWebhooks> = {}): Promise<FastifyInstance> {
  const emit = (name: SignalName) => void script.heard.push(name);
  const app = fastify({ bodyLimit: 65_536, frameworkErrors: xFirst(problemHandler(emit), emit) });
  app.decorateRequest(PRINCIPAL_DECORATOR);
  await app.register(
    xRoutes({
      replays: {
        nowMs: () => Promise.resolve(NOW_MS),
        request: (_caller, webhookId, { fromMs, toMs }) => {
          const instant = (ms: number) => new Date(ms).toISOString();
          script.asked.push({ webhookId, from: instant(fromMs), to: instant(toMs) });
          const { answer } = script;
          return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
        },
      },
      webhooks: { ...NO_WEBHOOKS, ...webhooks },
      window: { lookbackMs: 5 * 86_400_000, fromAgeMs: 31 * 60_000, toAgeMs: 10 * 60_000 },
      quota: { most: 5, windowMs: 900_000 },
      authenticate: singleKeyAccess(KEY),
      emit,
    }),
  );
  await app.ready();
  return app;
}

export const newScript = (answer: Script['answer'] = JOB): Script => ({ answer, asked: [], heard: [] });
