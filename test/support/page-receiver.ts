// The receiver that the documents speak of: it proves itself with the secret that it was given, writes a line into
// `received.jsonl` for each event that it takes and into `notified.jsonl` for each message that is no event, and refuses
// two events until they are sent by another replay than the first one.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { proofAnswer } from './proving.ts';
import type { Received, ScriptedAnswer } from './receiver.ts';

export class PageReceiver {
  /** As it was told; none = it cannot prove anything. */
  secret = '';
  readonly #folder: string;
  #firstJob: unknown;

  constructor(folder: string) {
    this.#folder = folder;
  }

  readonly answer = (request: Received): ScriptedAnswer => {
    const { webhookId: id, headers, body } = request;
    const proof = proofAnswer(request, this.secret);
    if (proof) return proof;
    const [time, job] = [headers['reprise-event-time'], headers['reprise-job-id']];
    if (job === undefined) {
      this.#note('notified.jsonl', { id, body: JSON.parse(String(body)) as unknown });
      return { status: 200 };
    }
    this.#firstJob ??= job;
    if (job === this.#firstJob && /^evt-1?7$/.test(id)) return { status: 400 };
    const signature = headers['x-twitter-webhooks-signature'];
    this.#note('received.jsonl', { id, time, job, ...(signature !== undefined && { signature }) });
    return { status: 200 };
  };

  #note(file: string, line: object): void {
    appendFileSync(join(this.#folder, file), `${JSON.stringify(line)}\n`);
  }
}
