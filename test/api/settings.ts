// The settings of the API's tester (schemathesis): which checks, which operations, with which values.

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

/** schemathesis.toml. Ids of what exists are drawn mostly, so that most requests get behind a 404. */
export function settingsOf({ webhookIds, replayIds, from, to }: Seed, receiverUrl: string): string {
  const lines = [
    '[auth.openapi.apiKey]',
    'bearer = "${REPRISE_API_KEY}"',
    '[dictionaries]',
    `webhooks = { values = ${text(webhookIds)} }`,
    `replays = { values = ${text(replayIds)} }`,
    `targets = { values = ${text([receiverUrl, `${receiverUrl}/other`])} }`,
    `begins = { values = ${text([from])} }`,
    `ends = { values = ${text([to])} }`,
    `codes = { values = ${text(['key_taken', 'internal', 'no_such_code'])} }`,
  ];
  const draw = (operations: string, dictionaries: Readonly<Record<string, string>>): void => {
    const drawn = Object.entries(dictionaries).map(
      ([parameter, name]) => `${text(parameter)} = { dictionary = ${text(name)}, probability = 0.8 }`,
    );
    lines.push(
      '[[operations]]',
      `include-operation-id-regex = ${text(operations)}`,
      `parameters = { ${drawn.join(', ')} }`,
    );
  };
  const target = { 'body.url': 'targets' };
  draw('^registerWebhook$', target);
  draw('^changeWebhook$', { 'path.id': 'webhooks', ...target });
  draw('^(get|remove)Webhook$', { 'path.id': 'webhooks' });
  draw('^requestReplay$', { 'path.id': 'webhooks', 'body.from': 'begins', 'body.to': 'ends' });
  draw('^(get|change|pause|resume|cancel)Replay$', { 'path.id': 'replays' });
  draw('^(listTransitions|listDeadLetters|replayDeadLetters|replayRemainder)$', { 'path.id': 'replays' });
  draw('^getProblem$', { 'path.code': 'codes' });
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
