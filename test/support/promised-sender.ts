// The sender's port as promises and objects, for tests: the port itself has callbacks and flat headers, because it is
// called for every event.

import type { Answer, ReceiverConnection, SendRequest, WebhookSender } from '../../src/domain/sender.ts';

export interface PromisedConnection {
  send(request: SendRequest): Promise<Answer>;
  close(): Promise<void>;
}

/** A second answer to one request throws where it comes from. */
export function promised(connection: ReceiverConnection): PromisedConnection {
  return {
    send: (request) =>
      new Promise((resolve) => {
        let answers = 0;
        connection.send(request, (answer) => {
          if (++answers > 1) throw new Error('a request was answered twice');
          resolve(answer);
        });
      }),
    close: () => connection.close(),
  };
}

/** A sender whose every request is answered by `send`, which never rejects. */
export function senderOf(send: (request: SendRequest) => Promise<Answer>): WebhookSender {
  return {
    connect: () => ({
      send: (request, onAnswer) => void send(request).then(onAnswer),
      close: () => Promise.resolve(),
    }),
  };
}

export function headersOf({ headers }: Pick<SendRequest, 'headers'>): Readonly<Record<string, string>> {
  const pairs: [string, string][] = [];
  for (let at = 0; at < headers.length; at += 2) pairs.push([headers[at] ?? '', headers[at + 1] ?? '']);
  return Object.fromEntries(pairs);
}
