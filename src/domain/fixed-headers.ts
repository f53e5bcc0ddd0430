// What a webhook wants to see on each of its requests besides what every receiver gets: its content type and headers of
// its own. Owned here: which of them HTTP and this product allow. Refused: anything about where they are kept.
// Invariants: a value that passes here passes the sender's own check, so it never costs an attempt; nothing that frames
// the request, says what its body is, or proves who sent it can be set by a client. Values may be secrets: what is said
// of a bad one never quotes it.

export const DEFAULT_CONTENT_TYPE = 'application/json';

/** Names as they were given, each once whatever its case, and their values. */
export type FixedHeaders = readonly (readonly [name: string, value: string])[];

export const HEADER_LIMITS = { count: 20, nameLength: 64, valueLength: 2_048, allBytes: 4_096 } as const;
export const MAX_CONTENT_TYPE = 128;

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const NAME = new RegExp(`^${TOKEN}$`);
/** Without spaces at its ends. ASCII: receivers disagree about what other bytes mean. */
const VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;
/** RFC 9110: type/subtype, and parameters. Also of the API's description. */
export const CONTENT_TYPE = `^${TOKEN}/${TOKEN}(?: ?; ?${TOKEN}=(?:${TOKEN}|"[ !#-\\[\\]-~]*"))*$`;
const MEDIA_TYPE = new RegExp(CONTENT_TYPE);

/** Of one connection or one request's framing, or set by the sender itself. */
const TAKEN = new Set([
  'connection',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'x-twitter-webhooks-signature',
]);
/** `content-type` has a field of its own; the others say what only the body of one request is. */
const TAKEN_PREFIXES = ['content-', 'proxy-', 'reprise-', 'webhook-'];

export interface HeaderFault {
  /** null = all of them together. */
  readonly name: string | null;
  readonly detail: string;
}

/** What is wrong with them; empty when all may be sent. */
export function headerFaults(headers: FixedHeaders): readonly HeaderFault[] {
  const faults: HeaderFault[] = [];
  const seen = new Set<string>();
  let bytes = 0;
  for (const [name, value] of headers) {
    const known = name.toLowerCase();
    const detail = seen.has(known)
      ? 'is there twice; names differ in more than their case'
      : (nameFault(name, known) ?? valueFault(value));
    if (detail !== null) faults.push({ name, detail });
    seen.add(known);
    bytes += name.length + value.length;
  }
  const { count, allBytes } = HEADER_LIMITS;
  if (headers.length > count) faults.push({ name: null, detail: `are too many; allowed: at most ${count}` });
  if (bytes > allBytes) {
    const detail = `are too long; allowed: at most ${allBytes} bytes of names and values together`;
    faults.push({ name: null, detail });
  }
  return faults;
}

function nameFault(name: string, known: string): string | null {
  const { nameLength } = HEADER_LIMITS;
  if (name.length > nameLength || !NAME.test(name)) {
    return `is no header name; allowed: 1 to ${nameLength} letters, digits and !#$%&'*+-.^_\`|~`;
  }
  if (known === 'content-type') return 'cannot be set here; use contentType';
  if (TAKEN.has(known) || TAKEN_PREFIXES.some((prefix) => known.startsWith(prefix))) {
    return 'is set by the sender itself, or belongs to one connection; choose another name';
  }
  return null;
}

function valueFault(value: string): string | null {
  const { valueLength } = HEADER_LIMITS;
  if (value.length <= valueLength && VALUE.test(value)) return null;
  return `has no value that can be sent; allowed: 1 to ${valueLength} printable ASCII characters, no space at the ends`;
}

export const isContentType = (text: string): boolean =>
  text.length <= MAX_CONTENT_TYPE && MEDIA_TYPE.test(text);
