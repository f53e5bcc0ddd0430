// What receivers of this world do besides answering: the ways of the test receiver to be a bad one.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * `brokenBody`: 200, then the socket dies within the body; `badProtocol`: bytes that are no HTTP; `drip`: 200 and
 * one byte per 20 ms for ever; `dripHead`: the same with the head; `hugeHead`: headers without end.
 */
export type Misbehaviour =
  | 'hang'
  | 'reset'
  | 'drip'
  | 'dripHead'
  | 'hugeHead'
  | 'endless103'
  | 'hugeBody'
  | 'brokenBody'
  | 'badProtocol'
  | 'redirect';

const DRIP_MS = 20;

export function misbehave(kind: Misbehaviour, response: ServerResponse): void {
  const socket = response.socket;
  if (socket === null || kind === 'hang') return;
  const forEver = (head: string, piece: string): void => {
    socket.write(head);
    const timer = setInterval(() => socket.write(piece), DRIP_MS);
    socket.on('close', () => clearInterval(timer));
  };
  if (kind === 'reset') socket.resetAndDestroy();
  else if (kind === 'redirect') response.writeHead(302, { location: '/redirected' }).end();
  else if (kind === 'drip') forEver('HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n', 'x');
  else if (kind === 'dripHead') forEver('HTTP/1.1 200 OK\r\nx-', 'x');
  else if (kind === 'hugeHead') flood(socket, 'HTTP/1.1 200 OK\r\n', `x-a: ${'y'.repeat(8_000)}\r\n`);
  else if (kind === 'endless103') forEver('', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
  else if (kind === 'hugeBody') flood(socket, 'HTTP/1.1 200 OK\r\n\r\n', 'x'.repeat(64 * 1024));
  else if (kind === 'brokenBody') socket.end('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf');
  else socket.end('220 mail.example ESMTP\r\n');
}

/** Writes as fast as the other side reads, until it goes away. */
function flood(socket: Socket, head: string, piece: string): void {
  socket.write(head);
  const pour = (): void => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', pour);
  pour();
}
