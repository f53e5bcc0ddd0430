// The grammar of REPRISE_SITES and REPRISE_SITES_ORDER: names, brokers, topics, and what a topic is a copy of.
// Refused: copies of what no site has, and copies in a circle: nobody could say when such a copy is whole.

import type { Upstream } from '../domain/log.ts';
import { splitHostPort, type ValueKind } from './values.ts';

/** A site before its TLS and SASL settings are read. */
export interface BareSite {
  readonly name: string;
  /** `host:port` each, at least one. */
  readonly brokers: readonly string[];
  readonly topics: readonly string[];
  /** Topic of this site -> what it is a copy of; own topics are not in it. */
  readonly upstreams: Readonly<Record<string, Upstream>>;
}

type Upstreams = Record<string, Upstream>;

const SITE_NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const TOPIC_NAME = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/;

export const SITES: ValueKind<readonly BareSite[]> = {
  allowed:
    'name=host:port,host:port/topic+topic per site, sites separated by ";", e.g. dc1=kafka:9092/delivery_log; ' +
    'a copy of another site’s topic is dc2.topic (as MirrorMaker names it), topic@dc2 (same name there) or ' +
    'topic@dc2:name-there',
  unit: '',
  parse: (text) => {
    const sites: BareSite[] = [];
    for (const part of text.split(';')) {
      const site = parseSite(part.trim());
      if (typeof site === 'string') return { fault: `site ${sites.length + 1}: ${site}` };
      if (sites.some(({ name }) => name === site.name)) return { fault: `names site ${site.name} twice` };
      sites.push(site);
    }
    const whole = sites.map((site) => ({
      ...site,
      upstreams: { ...mirrored(site, sites), ...site.upstreams },
    }));
    const fault = whole.map((site) => faultOfCopies(site, whole)).find((found) => found !== null);
    return fault === undefined ? { value: whole } : { fault };
  },
};

export const SITES_ORDER: ValueKind<readonly string[]> = {
  allowed: 'every site of REPRISE_SITES once, separated by ",", e.g. dc2,dc1',
  unit: '',
  parse: (text) => {
    const names = text.split(',').map((name) => name.trim());
    const odd = names.find((name) => !SITE_NAME.test(name));
    if (odd !== undefined) return { fault: `names "${odd}", which is not a site’s name` };
    const twice = names.find((name, index) => names.indexOf(name) < index);
    return twice === undefined ? { value: names } : { fault: `names site ${twice} twice` };
  },
};

/** The sites in the wanted order, or what is wrong with it. */
export function inOrder<Site extends { readonly name: string }>(
  sites: readonly Site[],
  order: readonly string[],
): readonly Site[] | string {
  const unknown = order.find((name) => !sites.some((site) => site.name === name));
  if (unknown !== undefined) return `names site ${unknown}, which REPRISE_SITES does not have`;
  const missing = sites.find(({ name }) => !order.includes(name));
  if (missing) return `does not name site ${missing.name}`;
  return sites.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

/** The site, or what is wrong with it. */
function parseSite(text: string): BareSite | string {
  const parts = /^([^=/]*)=([^/]*)\/([^/]*)$/.exec(text);
  if (!parts) return 'is not name=brokers/topics';
  const [, name = '', brokerList = '', topicList = ''] = parts;
  if (!SITE_NAME.test(name))
    return 'its name must be lower-case letters, digits and inner hyphens (at most 32)';
  const brokers = brokerList.split(',');
  for (const broker of brokers) {
    if (!splitHostPort(broker, 1)) return `broker "${broker}" is not host:port`;
  }
  const topics: string[] = [];
  const upstreams: Upstreams = {};
  for (const word of topicList.split('+')) {
    const [topic = '', from] = splitOnce(word, '@');
    if (!TOPIC_NAME.test(topic)) return `topic "${topic}" is not a topic name`;
    topics.push(topic);
    if (from === undefined) continue;
    const [site = '', origin = topic] = splitOnce(from, ':');
    if (!SITE_NAME.test(site)) return `topic ${topic}: "${site}" after @ is not a site’s name`;
    if (!TOPIC_NAME.test(origin)) return `topic ${topic}: "${origin}" after : is not a topic name`;
    upstreams[topic] = { site, topic: origin };
  }
  if (new Set(brokers).size < brokers.length) return 'names a broker twice';
  if (new Set(topics).size < topics.length) return 'names a topic twice';
  return { name, brokers, topics, upstreams };
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** MirrorMaker's default policy: `<site>.<topic>` is a copy when that site has that topic. */
function mirrored(site: BareSite, sites: readonly BareSite[]): Upstreams {
  const found: Upstreams = {};
  for (const topic of site.topics) {
    for (const { name, topics } of sites) {
      const origin = topic.startsWith(`${name}.`) ? topic.slice(name.length + 1) : null;
      if (origin !== null && name !== site.name && topics.includes(origin))
        found[topic] = { site: name, topic: origin };
    }
  }
  return found;
}

function faultOfCopies(site: BareSite, sites: readonly BareSite[]): string | null {
  const upstreamOf = (from: Upstream): Upstream | undefined =>
    sites.find(({ name }) => name === from.site)?.upstreams[from.topic];
  for (const [topic, upstream] of Object.entries(site.upstreams)) {
    const what = `site ${site.name}: topic ${topic}`;
    const there = sites.find(({ name }) => name === upstream.site);
    if (upstream.site === site.name) return `${what} is said to be a copy of its own site`;
    if (!there) return `${what} is said to be a copy of site ${upstream.site}, which is not a site`;
    if (!there.topics.includes(upstream.topic))
      return `${what} is said to be a copy of ${upstream.topic}, which site ${there.name} does not list`;
    // More steps than there are topics can only be a circle.
    let steps = sites.reduce((sum, { topics }) => sum + topics.length, 0);
    for (let at: Upstream | undefined = upstream; at !== undefined; at = upstreamOf(at)) {
      if (steps-- === 0) return `${what} is a copy of itself in a circle`;
    }
  }
  return null;
}
