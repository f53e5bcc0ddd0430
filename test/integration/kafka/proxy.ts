// A TCP proxy before the broker that breaks what a test wants broken. The broker's address in metadata answers is
// replaced by the proxy's own (same length), so that every connection of a client goes through it.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { atEnd, brokers } from './cluster.ts';

export interface Proxy {
  readonly brokers: readonly string[];
  /** Changes what the broker answers, in place; the chunks are as they come. */
  tamper: ((chunk: Buffer) => void) | null;
  /** Cuts all connections; new ones are cut at once until `heal`. */
  cut(): void;
  heal(): void;
  readonly connections: number;
}

/** `tls`: clients must speak TLS to it. */
export async function startProxy(
  tls: { readonly key: string; readonly cert: string } | null = null,
): Promise<Proxy> {
  const [host = '', port = ''] = (brokers[0] ?? '').split(':');
  const sockets = new Set<Socket>();
  let isCut = false;
  let connections = 0;
  const pass = (client: Socket): void => {
    connections++;
    const broker = connect(Number(port), host);
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        broker.destroy();
      });
    }
    if (isCut) return void client.destroy();
    client.pipe(broker);
    broker.on('data', (chunk: Buffer) => {
      readdress(chunk, host, Number(port), proxyPort);
      proxy.tamper?.(chunk);
      client.write(chunk);
    });
  };
  const server = tls ? createTlsServer(tls, pass) : createServer(pass);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxyPort = (server.address() as AddressInfo).port;
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  atEnd(async () => {
    destroyAll();
    server.close();
    await once(server, 'close');
  });
  const proxy: Proxy = {
    brokers: [`${host}:${proxyPort}`],
    tamper: null,
    cut: () => {
      isCut = true;
      destroyAll();
    },
    heal: () => {
      isCut = false;
    },
    get connections() {
      return connections;
    },
  };
  return proxy;
}

function readdress(chunk: Buffer, host: string, from: number, to: number): void {
  const address = Buffer.alloc(2 + host.length + 4);
  address.writeInt16BE(host.length, 0);
  address.write(host, 2);
  address.writeInt32BE(from, 2 + host.length);
  for (let at = chunk.indexOf(address); at !== -1; at = chunk.indexOf(address, at + 1)) {
    chunk.writeInt32BE(to, at + 2 + host.length);
  }
}
