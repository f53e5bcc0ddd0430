// MirrorMaker's heartbeats: the weaker evidence while the upstream cannot be asked. MirrorMaker writes them at the
// upstream and mirrors them like events, so one of at least the wanted time in the copy's site shows that the mirror
// was reading after it. It cannot see one stuck partition.
//
// The topic is `<upstream>.heartbeats` under the identity policy too (IdentityReplicationPolicy leaves it to the
// default one). The site's own `heartbeats` says nothing: MirrorMaker writes it here without reading from anywhere.

import type { Connections } from '../connections.ts';

/** MirrorMaker makes one. */
const PARTITION = 0;

/** `alias`: MirrorMaker's name of the upstream. */
export const heartbeatsOf = (alias: string): string => `${alias}.heartbeats`;

/** The alias stands before the topic's name in the default policy; else it is the site's name. */
export function aliasOf(
  copyTopic: string,
  upstream: { readonly site: string; readonly topic: string },
): string {
  const tail = `.${upstream.topic}`;
  return copyTopic.length > tail.length && copyTopic.endsWith(tail)
    ? copyTopic.slice(0, -tail.length)
    : upstream.site;
}

/** Whether a heartbeat of at least `sinceMs` was mirrored. Rejects when the site does not answer or has no such topic. */
export async function heartbeatSince(
  connections: Pick<Connections, 'use'>,
  alias: string,
  sinceMs: number,
): Promise<boolean> {
  const topic = heartbeatsOf(alias);
  return await connections.use(topic, 'idle', async (connection) => {
    const { offset } = await connection.offsetAt(topic, PARTITION, Math.max(0, sinceMs));
    return offset !== -1;
  });
}
