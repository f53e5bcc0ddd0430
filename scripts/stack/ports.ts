// Ports for brokers and databases. They stay below the ephemeral range (32768 and up): on an
// ephemeral port a client that reconnects while its server is dead can connect to itself.
// The start is random, so stacks of two checkouts hardly meet; within one checkout the caller
// passes the ports that other stacks have claimed.
import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';

const FIRST = 20_500;
const LAST = 32_000;

export async function choosePorts(count: number, taken: ReadonlySet<number>): Promise<number[]> {
  const chosen: number[] = [];
  const size = LAST - FIRST + 1;
  const start = randomInt(size);
  for (let step = 0; step < size && chosen.length < count; step++) {
    const port = FIRST + ((start + step) % size);
    if (!taken.has(port) && (await isFree(port))) chosen.push(port);
  }
  if (chosen.length < count) throw new Error(`no ${count} free ports between ${FIRST} and ${LAST}`);
  return chosen;
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
