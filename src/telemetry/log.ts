// How the log looks: one JSON object per line, ISO times, levels by name. Made here as options only; main makes
// the logger. Invariant: no line carries a secret: known fields are redacted by path, and credentials inside
// texts (URLs in messages of drivers) by shape, because redaction by path does not look into texts.

import type { LogFn, LoggerOptions } from 'pino';

const SECRET_FIELDS = [
  'secret',
  'secrets',
  'authorization',
  'password',
  'apiKey',
  'databaseUrl',
  'token',
  'body',
];
const REDACTED = '[redacted]';

/** Options for `pino()`. `instance` is on every line. */
export function logOptions({ level, instance }: { level: string; instance: string }): LoggerOptions {
  return {
    level,
    base: { instance },
    messageKey: 'message',
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    // pino's own would describe the scrubbed error once more, as an Object.
    serializers: { err: (error: unknown) => error },
    hooks: { logMethod: writeHidden },
    formatters: { level: (label) => ({ level: label }), log: hideInFields },
    redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: REDACTED },
  };
}

/** Messages are texts too; one that is left out would be that of the error. */
const writeHidden: NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']> = function (args, method) {
  const hidden = (args as unknown[]).map((arg) => (typeof arg === 'string' ? hideCredentials(arg) : arg));
  const [first, message = messageIn(first)] = hidden;
  const rest = hidden.slice(2);
  method.apply(this, (message === undefined ? [first] : [first, message, ...rest]) as Parameters<LogFn>);
};

function messageIn(first: unknown): string | undefined {
  const error = first instanceof Error ? first : (first as { err?: unknown } | null)?.err;
  return error instanceof Error ? hideCredentials(error.message) : undefined;
}

function hideInFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, hideIn(value)]));
}

function hideIn(value: unknown): unknown {
  if (typeof value === 'string') return hideCredentials(value);
  // The cause stays: it is what an operator needs, and it is scrubbed the same way.
  if (!(value instanceof Error)) return value;
  const { name, message, stack = '', cause } = value;
  const told = { type: name, message: hideCredentials(message), stack: hideCredentials(stack) };
  return cause === undefined ? told : { ...told, cause: hideIn(cause) };
}

/** Hides user:password@ in URLs, signing secrets and bearer tokens inside a text. */
export function hideCredentials(text: string): string {
  return text
    .replace(/(\w:\/\/)[^\s/@]+@/g, `$1${REDACTED}@`)
    .replace(/whsec_[A-Za-z0-9+/_-]+=*/g, REDACTED)
    .replace(/(bearer\s+)[\x21-\x7e]+/gi, `$1${REDACTED}`);
}
