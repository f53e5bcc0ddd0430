// A free port below the ephemeral range: on an ephemeral one, a client that reconnects while its server is dead
// can connect to itself.

import { choosePorts } from '../../scripts/stack/ports.ts';

const given = new Set<number>();

/** A port that nobody listens on now and that this process has not given away. */
export async function freePort(): Promise<number> {
  const [port] = await choosePorts(1, given);
  if (port === undefined) throw new Error('no free port');
  given.add(port);
  return port;
}
