// Names what went wrong with a request: from the codes of Node, OpenSSL and undici to the port's SendFailure.
// Owns the table of codes only; whether bytes may have left is the exchange's knowledge.

import type { SendFailure } from '../domain/sender.ts';
import { BLOCKED_CODE } from './connector.ts';

const CODES: Readonly<Record<string, SendFailure>> = {
  [BLOCKED_CODE]: 'blocked',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  ETIMEDOUT: 'timeout',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  EHOSTDOWN: 'refused',
  ENETDOWN: 'refused',
  EADDRNOTAVAIL: 'refused',
  // Ours, not theirs: out of descriptors. Nothing was sent, and it passes as sockets close.
  EMFILE: 'refused',
  ENFILE: 'refused',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  // The receiver's end came between the last look at the socket and the write: nothing has left.
  ERR_STREAM_WRITE_AFTER_END: 'reset',
  ERR_STREAM_DESTROYED: 'reset',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_DESTROYED: 'aborted',
  UND_ERR_CLOSED: 'aborted',
  EPROTO: 'tls',
  CERT_HAS_EXPIRED: 'tls',
  CERT_NOT_YET_VALID: 'tls',
  CERT_UNTRUSTED: 'tls',
  CERT_REVOKED: 'tls',
  CERT_REJECTED: 'tls',
  CERT_SIGNATURE_FAILURE: 'tls',
  HOSTNAME_MISMATCH: 'tls',
  INVALID_CA: 'tls',
  INVALID_PURPOSE: 'tls',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'tls',
  SELF_SIGNED_CERT_IN_CHAIN: 'tls',
  UNABLE_TO_GET_ISSUER_CERT: 'tls',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'tls',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls',
};

/** The name of an error of a request. What is unknown counts as `protocol`: the receiver speaks something else. */
export function failureOf(error: unknown): SendFailure {
  if (!(error instanceof Error)) return 'protocol';
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === 'getaddrinfo') return 'dns';
  if (code === undefined) return 'protocol';
  // undici says so in the text only; both mean an answer that HTTP does not allow here.
  if (code === 'UND_ERR_SOCKET' && error.message.startsWith('bad ')) return 'protocol';
  const known = CODES[code];
  if (known !== undefined) return known;
  return code.startsWith('ERR_TLS_') || code.startsWith('ERR_SSL_') ? 'tls' : 'protocol';
}
