// The settings of the API's tester (schemathesis): which checks, which operations, with which values.

import { join } from 'node:path';
import type { Seed } from './seed.ts';

export interface TesterSettings {
  readonly short: boolean;
  readonly seed: number;
}

/** What is not checked, and why. All other checks are on. */
const NOT_CHECKED = [
  // Ranges with from >= to, keys and URLs that a schema cannot describe are schema-valid and refused.
  'positive_data_acceptance',
];

/** Operations that are left out, and why. */
const LEFT_OUT: readonly string[] = [
  // An endless answer (Server-Sent Events); tests of its own read it.
  '/v1/replays/{id}/stream',
];

/** Checks for the command line. */
export const EXCLUDED = NOT_CHECKED.join(',');

const text = (value: unknown): string => JSON.stringify(value);

const MINUTE_MS = 60_000;

/** So many minutes ago, as X writes it. */
const minutesAgo = (minutes: number): string =>
  new Date(Date.now() - minutes * MINUTE_MS)
    .toISOString()
    .replaceAll(/[^0-9]/g, '')
    .slice(0, 12);

/** Values by name. Ids of what exists, and what goes with them, so that most requests get behind a 404 or 400. */
function dictionariesOf(seed: Seed, receiverUrl: string): Readonly<Record<string, readonly string[]>> {
  const { webhookIds, replayIds, plannedId, planIds, xWebhookId, from, to } = seed;
  return {
    webhooks: webhookIds,
    // Half of them the one that has plans.
    asked: [...webhookIds, ...webhookIds.map(() => plannedId)],
    planned: [plannedId],
    plans: planIds,
    xWebhooks: [xWebhookId],
    xBegins: [minutesAgo(180)],
    xEnds: [minutesAgo(120)],
    replays: replayIds,
    targets: [receiverUrl, `${receiverUrl}/other`],
    begins: [from],
    ends: [to],
    codes: ['key_taken', 'internal', 'no_such_code'],
  };
}

type Draws = Readonly<Record<string, string>>;

const TARGET = { 'body.url': 'targets' };
const RANGE = { 'body.from': 'begins', 'body.to': 'ends' };
const X_RANGE = { 'query.from_date': 'xBegins', 'query.to_date': 'xEnds' };
const X_BODY = { 'body.webhook_id': 'xWebhooks', 'body.from_date': 'xBegins', 'body.to_date': 'xEnds' };
const REPLAY = { 'path.id': 'replays' };

/** Operations, and the dictionary of each parameter. */
const DRAWN: readonly (readonly [operations: string, draws: Draws])[] = [
  ['registerWebhook', TARGET],
  ['changeWebhook', { 'path.id': 'webhooks', ...TARGET }],
  ['(get|remove)Webhook', { 'path.id': 'webhooks' }],
  ['requestReplay', { 'path.id': 'asked', 'body.planId': 'plans', ...RANGE }],
  ['planReplay', { 'path.id': 'asked', ...RANGE }],
  ['getPlan', { 'path.id': 'plans' }],
  ['(get|change|pause|resume|cancel)Replay', REPLAY],
  ['(listTransitions|listDeadLetters|getManifest|replayDeadLetters|replayRemainder)', REPLAY],
  ['getProblem', { 'path.code': 'codes' }],
  ['(requestReplayOfX11|requestReplayOfX2Account)', { 'path.webhook_id': 'xWebhooks', ...X_RANGE }],
  ['requestReplayOfX2', X_BODY],
];

/** Checks go to the receiver, never to a URL that the tester made up. */
const ALWAYS: typeof DRAWN = [
  ['challengeWebhook', { 'path.id': 'planned' }],
  ['proveWebhookOfX11', { 'path.id': 'xWebhooks' }],
];

/** schemathesis.toml. */
export function settingsOf(seed: Seed, receiverUrl: string): string {
  const dictionaries = Object.entries(dictionariesOf(seed, receiverUrl));
  const lines = [
    `hooks = ${text(join(import.meta.dirname, 'hooks.py'))}`,
    '[auth.openapi.apiKey]',
    'bearer = "${REPRISE_API_KEY}"',
    '[dictionaries]',
    ...dictionaries.map(([name, values]) => `${name} = { values = ${text(values)} }`),
  ];
  const draw = (list: typeof DRAWN, probability: number): void => {
    for (const [operations, draws] of list) {
      const drawn = Object.entries(draws).map(
        ([parameter, name]) =>
          `${text(parameter)} = { dictionary = ${text(name)}, probability = ${probability} }`,
      );
      lines.push(
        '[[operations]]',
        `include-operation-id-regex = ${text(`^${operations}$`)}`,
        `parameters = { ${drawn.join(', ')} }`,
      );
    }
  };
  draw(DRAWN, 0.9);
  draw(ALWAYS, 1);
  for (const path of LEFT_OUT)
    lines.push('[[operations]]', `include-path = ${text(path)}`, 'enabled = false');
  return `${lines.join('\n')}\n`;
}

/** Words for the command line. */
export function wordsOf({ short, seed }: TesterSettings): string[] {
  const examples = short ? 12 : 200;
  return [
    '--checks',
    'all',
    '--exclude-checks',
    EXCLUDED,
    '--max-examples',
    String(examples),
    '--seed',
    String(seed),
  ];
}
