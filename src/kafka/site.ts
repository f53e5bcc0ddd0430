// What the reading of one site is told: plain data, because it is handed to the scan threads as it is.

import type { Upstream } from '../domain/log.ts';
import type { SiteSasl, SiteTls } from '../domain/site.ts';

export interface SiteConfig {
  readonly name: string;
  readonly brokers: readonly string[];
  readonly topics: readonly string[];
  /** Topic -> what it is a copy of; own topics are not in it. */
  readonly upstreams?: Readonly<Record<string, Upstream>>;
  readonly tls?: SiteTls | null;
  readonly sasl?: SiteSasl | null;
  /** What the names of its settings begin with, for texts to an operator. */
  readonly settings?: string;
}
