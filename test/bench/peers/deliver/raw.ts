// The limit on this machine: sockets of node:net, each request one prebuilt Buffer in which only the body's signature
// changes, an answer that is not parsed but counted by its bytes' end. No deadline, no guard, no retry: nothing that
// a sender can do without losing what makes it one.
//   node raw.ts URL EVENTS CONNECTIONS [EVENTS_PER_REQUEST]

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { sign } from '../../../../src/domain/signature.ts';
import { EVENT, SECRET_KEY, eventId, finish, work } from './work.ts';

const BODY_END = '\r\n\r\n';
const perRequest = Math.min(Number(process.argv[5] ?? '1'), work.events);
const body = Buffer.concat(
  Array.from({ length: perRequest }, () => [EVENT, Buffer.from(perRequest > 1 ? '\n' : '')]).flat(),
);
const { hostname, port, pathname, host } = new URL(work.url);
const incoming = Buffer.alloc(64 * 1024);
let next = 0;
let accepted = 0;

function requestOf(n: number): Buffer {
  const id = eventId(n);
  const seconds = String(Math.floor(Date.now() / 1_000));
  const head =
    `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\ncontent-type: application/json\r\n` +
    `user-agent: bench\r\nwebhook-id: ${id}\r\nwebhook-timestamp: ${seconds}\r\n` +
    `webhook-signature: ${sign([SECRET_KEY], id, seconds, body)}\r\n` +
    'reprise-job-id: 1234567890123456789\r\nreprise-fence: 1\r\nreprise-event-time: 2026-01-01T00:00:00.000Z\r\n' +
    `reprise-attempt: 1\r\n${perRequest > 1 ? `reprise-event-count: ${perRequest}\r\n` : ''}` +
    `content-length: ${body.length}\r\n\r\n`;
  const request = Buffer.allocUnsafe(head.length + body.length);
  request.write(head, 'latin1');
  request.set(body, head.length);
  return request;
}

function post(socket: Socket): void {
  if (next >= work.events) return;
  socket.write(requestOf(next));
  next += perRequest;
}

function open(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket: Socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer: incoming,
        callback: (size) => {
          const text = incoming.toString('latin1', 0, size);
          if (!text.startsWith('HTTP/1.1 200 ') || !text.includes(BODY_END)) throw new Error(text);
          accepted += perRequest;
          if (accepted >= work.events) finish(accepted);
          else post(socket);
          return true;
        },
      },
    });
    socket.once('connect', () => resolve(socket));
  });
}

const sockets = await Promise.all(Array.from({ length: work.connections }, open));
for (const socket of sockets) post(socket);
