// How one data centre's cluster is entered: plain data, so that it can be handed to a scan thread as it is.
// Refused: reading files (config), connecting (kafka).

/** PEM texts; `ca` null = the roots that Node.js brings. */
export interface SiteTls {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

export type SitePassword = 'plain' | 'scram-sha-256' | 'scram-sha-512';

export type SiteSasl =
  | { readonly mechanism: SitePassword; readonly username: string; readonly password: string }
  /** The file is read at each authentication: its token lives shorter than the process. */
  | { readonly mechanism: 'oauthbearer'; readonly tokenFile: string };
