// A TCP proxy before the database that breaks connections at a chosen moment: an outage, and the two halves of
// a COMMIT without an answer (it never arrived; it was done and the answer got lost).

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export class Proxy {
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #trap: { readonly statement: string; readonly when: 'before' | 'after' } | null = null;

  constructor(url: string) {
    this.#target = new URL(url);
  }

  get url(): string {
    return Object.assign(new URL(this.#target), { hostname: '127.0.0.1', port: String(this.#port) }).href;
  }

  /** From now on connections are taken, always on the same port. */
  async accept(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** From now on connections are refused and the present ones broken. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Breaks the connection of the next such statement, before the server has it or before its answer is told. */
  breakAt(statement: string, when: 'before' | 'after'): void {
    this.#trap = { statement, when };
  }

  get sprung(): boolean {
    return this.#trap === null;
  }

  #serve(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    let mute = false;
    const breakOff = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        breakOff();
      });
    }
    client.on('data', (bytes) => {
      const trap = this.#trap;
      if (trap && bytes.includes(trap.statement)) {
        this.#trap = null;
        if (trap.when === 'before') {
          breakOff();
          return;
        }
        mute = true;
      }
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (mute) breakOff();
      else client.write(bytes);
    });
  }
}
