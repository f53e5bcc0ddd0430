// Which topics of which cluster MirrorMaker copies where, and what the copies are called there.

/** Copies from one site to another. */
export interface MirrorFlow {
  readonly from: string;
  readonly to: string;
  /** Names or Java patterns of topics at `from`. */
  readonly topics: readonly string[];
  /** The copy keeps its topic's name. For one direction only: both ways it would copy in circles. */
  readonly identity?: boolean;
}

export const LOG_TOPIC = 'delivery_log';

/** Every site's log to every other site. */
export function allFlows(
  sites: readonly string[],
  topics: readonly string[] = [LOG_TOPIC],
): readonly MirrorFlow[] {
  return sites.flatMap((from) =>
    sites.filter((to) => to !== from).map((to): MirrorFlow => ({ from, to, topics })),
  );
}

/** The copy's topic at `flow.to`. */
export function copyName(flow: MirrorFlow, topic: string): string {
  return flow.identity === true ? topic : `${flow.from}.${topic}`;
}

/** REPRISE_SITES: each site with its own topic and the copies of the others' that it holds. */
export function sitesSetting(
  sites: readonly { readonly name: string; readonly brokers: string }[],
  flows: readonly MirrorFlow[],
  topic = LOG_TOPIC,
): string {
  return sites
    .map(({ name, brokers }) => {
      const copies = flows
        .filter(({ to, topics }) => to === name && topics.includes(topic))
        .map((flow) => copyName(flow, topic));
      return `${name}=${brokers}/${[...new Set([topic, ...copies])].join('+')}`;
    })
    .join(';');
}
