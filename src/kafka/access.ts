// Why a site does not let us in, in words for an operator: which site, what is wrong, which setting to look at.
// Each cause has exactly one text however it shows itself, because a text that changes is told as a new problem.
// Refused: any word that a broker, a token or a password could have put in.

import { X509Certificate } from 'node:crypto';
import type { SiteConfig } from './site.ts';

/** Asking again at once does not help; asking now and then does, because it can be mended at the broker. */
export class AccessRefused extends Error {
  override readonly name = 'AccessRefused';

  constructor(site: SiteConfig, what: string) {
    super(`site ${site.name}: ${what}`);
  }
}

/** Code of the error with which FetchSockets ends a socket whose peer speaks TLS and we do not. */
export const PEER_SPEAKS_TLS = 'PEER_SPEAKS_TLS';

/** What was being done: getting in, asking the first question after it, or anything later. */
export type Step = 'connect' | 'ask' | 'read';

interface Cause {
  readonly name: string;
  readonly message: string;
  readonly code: string;
  readonly type: string;
}

const NOT_TRUSTED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);
const CLOSED = /closed connection|closed by the server|ECONNRESET|EPIPE|socket disconnected|hang up/i;
const SASL_ERROR = 'KafkaJSSASLAuthenticationError';
/** KafkaJS takes a connection that is lost while it authenticates for a refusal. */
const LOST = /connection|timed out|time-?out|socket/i;

/** The refusal that `error` tells of; else `error` itself. */
export function accessError(site: SiteConfig, error: unknown, step: Step): unknown {
  if (error instanceof AccessRefused) return error;
  const causes = causesOf(error);
  const what = saslRefusal(site, causes) ?? tlsRefusal(site, causes) ?? closing(site, causes, step);
  return what === null ? error : new AccessRefused(site, what);
}

/** It and what it wraps, outermost first. */
function causesOf(error: unknown): readonly Cause[] {
  const causes: Cause[] = [];
  for (let at = error; at instanceof Error && causes.length < 8; at = at.cause) {
    const { code, type } = at as { code?: unknown; type?: unknown };
    causes.push({
      name: at.name,
      message: at.message,
      code: typeof code === 'string' ? code : '',
      type: typeof type === 'string' ? type : '',
    });
  }
  return causes;
}

const setting = (site: SiteConfig, option: string): string => `${site.settings ?? ''}${option}`;

function saslRefusal(site: SiteConfig, causes: readonly Cause[]): string | null {
  const mechanism = site.sasl?.mechanism.toUpperCase();
  if (mechanism === undefined) return null;
  const unsupported = causes.some(
    ({ type, message }) =>
      type === 'UNSUPPORTED_SASL_MECHANISM' || message.includes('mechanism is not supported'),
  );
  const by = setting(site, 'SASL_MECHANISM');
  if (unsupported) return `the broker does not offer SASL ${mechanism}; check ${by}`;
  if (causes.some(({ type }) => type === 'ILLEGAL_SASL_STATE'))
    return `the broker's port is not one for SASL; check the port in REPRISE_SITES, or unset ${by}`;
  const refused = causes.some(
    ({ name, type, message }) =>
      type === 'SASL_AUTHENTICATION_FAILED' || (name === SASL_ERROR && !LOST.test(message)),
  );
  if (!refused) return null;
  if (site.sasl?.mechanism === 'oauthbearer') return tokenRefused(site);
  const [user, password] = [setting(site, 'SASL_USERNAME'), setting(site, 'SASL_PASSWORD_FILE')];
  return `the broker refused the user or password (SASL ${mechanism}); check ${user} and ${password}`;
}

export const tokenRefused = (site: SiteConfig): string =>
  `the broker refused the token (SASL OAUTHBEARER); check ${setting(site, 'SASL_TOKEN_FILE')}`;

export const tokenUnreadable = (site: SiteConfig, why: string): string =>
  `the token file ${why}; check ${setting(site, 'SASL_TOKEN_FILE')}`;

function tlsRefusal(site: SiteConfig, causes: readonly Cause[]): string | null {
  const ca = setting(site, 'TLS_CA_FILE');
  if (causes.some(({ code }) => code === PEER_SPEAKS_TLS))
    return `the broker's port speaks TLS, and TLS is not turned on; set ${ca}`;
  if (!site.tls) return null;
  const codes = causes.map(({ code }) => code);
  if (codes.includes('CERT_HAS_EXPIRED'))
    return `the broker's certificate, or its authority's, has expired; renew it, or check ${ca}`;
  if (codes.includes('CERT_NOT_YET_VALID'))
    return "the broker's certificate is not valid yet; check it, and this machine's clock";
  if (codes.includes('ERR_TLS_CERT_ALTNAME_INVALID'))
    return "the broker's certificate is for another host; check the names in it and the brokers in REPRISE_SITES";
  if (codes.some((code) => NOT_TRUSTED.has(code)))
    return `the broker's certificate was not issued by the authority that is trusted; check ${ca}`;
  const text = causes.map(({ message }) => message).join(' ');
  if (/before secure TLS connection|wrong version number|packet length too long/i.test(text))
    return `the broker does not answer in TLS; check that the port in REPRISE_SITES is one for TLS`;
  if (/PEM routines|key values mismatch|x509 certificate routines|no start line/i.test(text))
    return `the TLS files are not a certificate and its key in PEM; check ${ca} and the two beside it`;
  return codes.some((code) => /^ERR_SSL_.*ALERT/.test(code)) ? certificateRefused(site) : null;
}

/** A broker that wants what we do not send closes the connection, mostly without a word. */
function closing(site: SiteConfig, causes: readonly Cause[], step: Step): string | null {
  if (causes.some(({ name }) => name === SASL_ERROR)) return null;
  if (!causes.some(({ message, code }) => CLOSED.test(message) || CLOSED.test(code))) return null;
  if (step === 'ask' && !site.sasl) {
    const by = setting(site, 'SASL_MECHANISM');
    return `the broker closed the connection at the first question; if it wants SASL, set ${by}`;
  }
  // With TLS 1.3 the alert can be overtaken by the end of the connection.
  return step === 'connect' && site.tls ? certificateRefused(site) : null;
}

function certificateRefused(site: SiteConfig): string {
  const cert = site.tls?.cert ?? null;
  const by = setting(site, 'TLS_CERT_FILE');
  if (cert === null) return `the broker ended the TLS handshake; if it wants a client certificate, set ${by}`;
  const { validToDate } = new X509Certificate(cert);
  if (validToDate.getTime() < Date.now()) {
    const day = validToDate.toISOString().slice(0, 10);
    return `the client certificate has expired (${day}); renew it in ${by}`;
  }
  return `the broker ended the TLS handshake; if it refused the client certificate, check ${by}`;
}
