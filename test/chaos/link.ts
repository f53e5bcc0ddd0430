// The way from the instances of one place to the database, which can be blocked: connections stay open and new
// ones are accepted, but no byte passes. What was written meanwhile passes when the link is open again, also
// that of a process which is gone by then: statements that come too late.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export class Link {
  readonly #server: Server;
  readonly #port: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #isBlocked = false;

  private constructor(databasePort: number) {
    this.#port = databasePort;
    // Half-open on both sides: an end passes like any byte, behind what was written before it.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#carry(client));
  }

  static async open(databaseUrl: string): Promise<Link> {
    const link = new Link(Number(new URL(databaseUrl).port));
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  /** The same database, through this link. */
  urlOf(databaseUrl: string): string {
    const url = new URL(databaseUrl);
    url.hostname = '127.0.0.1';
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.toString();
  }

  /** Resolves to the number of connections that it holds up. */
  block(): number {
    this.#isBlocked = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
    return this.#pairs.size;
  }

  unblock(): void {
    this.#isBlocked = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  close(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#server.close();
  }

  #carry(client: Socket): void {
    const database = connect({ port: this.#port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const pair = [client, database] as const;
    this.#pairs.add(pair);
    this.#forward(client, database);
    this.#forward(database, client);
    if (this.#isBlocked) for (const socket of pair) socket.pause();
    const over = (): void => {
      this.#pairs.delete(pair);
    };
    client.on('close', over);
    database.on('close', over);
  }

  #forward(from: Socket, to: Socket): void {
    from.on('data', (bytes) => {
      if (!to.write(bytes)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#isBlocked) from.resume();
    });
    from.on('end', () => to.end());
    // A reset or a refused dial: the other side sees its connection end.
    from.on('error', () => to.destroy());
    from.on('close', (failed) => {
      if (failed) to.destroy();
    });
  }
}
