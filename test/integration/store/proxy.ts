// A TCP proxy before the database that breaks connections at a chosen moment: an outage, and the two halves of
// a COMMIT without an answer (it never arrived; it was done and the answer got lost). Or that swallows what they
// carry and tells nobody, as a network that drops packets: such a connection stays open and is never of use again.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export class Proxy {
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #trap: { readonly statement: string; readonly when: 'before' | 'after' | 'silence' } | null = null;
  #isSwallowing = false;
  /** Open connections that say nothing any more. */
  readonly #dead = new WeakSet<Socket>();

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

  /** From the next such statement on, its connection swallows everything. */
  swallowAt(statement: string): void {
    this.#trap = { statement, when: 'silence' };
  }

  /** From now on all connections swallow everything, new ones too. */
  swallow(): void {
    this.#isSwallowing = true;
    for (const socket of this.#sockets) this.#dead.add(socket);
  }

  /** From now on new connections work. */
  forward(): void {
    this.#isSwallowing = false;
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
      if (this.#isSwallowing) this.#dead.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        if (!this.#dead.has(socket)) breakOff();
      });
    }
    client.on('data', (bytes) => {
      if (this.#dead.has(client)) return;
      const trap = this.#trap;
      if (trap && bytes.includes(trap.statement)) {
        this.#trap = null;
        if (trap.when === 'before') {
          breakOff();
          return;
        }
        if (trap.when === 'silence') {
          for (const socket of [client, server]) this.#dead.add(socket);
          return;
        }
        mute = true;
      }
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (this.#dead.has(server)) return;
      if (mute) breakOff();
      else client.write(bytes);
    });
  }
}
