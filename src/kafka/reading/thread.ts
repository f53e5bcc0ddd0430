// A scan thread: reads and scans for the streams that the main thread opens here, on connections of its own, so
// that the loop which delivers, heartbeats and answers REST stays free while scans run at full speed.
// Composition only: what to read is readings.ts, what is said is messages.ts.

import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { RepriseError, messageOf } from '../../domain/errors.ts';
import type { Emit, Signals } from '../../domain/signals.ts';
import { Connections, connectionsOf } from '../connections.ts';
import { youngCollection } from '../free.ts';
import type { Member } from './member.ts';
import type { FromThread, ThreadData, ToThread } from './messages.ts';
import { handedOver } from './packed-batch.ts';
import { Readings } from './readings.ts';
import { SignalSum } from './signal-sum.ts';

/** Readings that begin without waiting for a connection. */
const WARM = 2;
/** Between two collections of the young heap, see src/heap.ts: what matched, and a little per record passed. */
const SWEEP_BYTES = 4 * 1024 * 1024;
const RECORD_GARBAGE = 10;

const port = parentPort as MessagePort;
const { sites, options } = workerData as ThreadData;
const connections = sites.map((site) => new Connections(site));
const collect = youngCollection();
const members = new Map<number, Member>();

function say(message: FromThread, handOver: ArrayBuffer[] = []): void {
  port.postMessage(message, handOver);
}

const sum = new SignalSum((name, fields) => say({ type: 'signal', name, fields }));
let garbage = 0;
const emit: Emit = (name, fields) => {
  sum.add(name, fields);
  if (name !== 'read.batch') return;
  const { records, bytes } = fields as Signals['read.batch'];
  garbage += bytes + records * RECORD_GARBAGE;
  if (garbage < SWEEP_BYTES) return;
  garbage = 0;
  collect();
};

const readings = new Readings((source) => connectionsOf(connections, source), options, emit);

function open(id: number, request: Extract<ToThread, { type: 'open' }>['request']): void {
  try {
    const events = {
      wait: (wait: Extract<FromThread, { type: 'wait' }>['wait']) => say({ type: 'wait', id, wait }),
      gap: (gap: Extract<FromThread, { type: 'gap' }>['gap']) => say({ type: 'gap', id, gap }),
    };
    members.set(id, readings.open(request, events));
  } catch (error) {
    failed(id, error);
  }
}

async function ask(id: number, end: number | null, mustReach: number): Promise<void> {
  try {
    const batch = await members.get(id)?.ask(end, mustReach);
    if (batch) say({ type: 'batch', id, batch }, handedOver(batch));
  } catch (error) {
    failed(id, error);
  }
}

function failed(id: number, error: unknown): void {
  const isOurs = error instanceof RepriseError;
  say({
    type: 'failed',
    id,
    code: isOurs ? error.code : null,
    detail: isOurs ? error.detail : messageOf(error),
  });
}

port.on('message', (message: ToThread) => {
  switch (message.type) {
    case 'open':
      open(message.id, message.request);
      return;
    case 'ask':
      void ask(message.id, message.end, message.mustReach);
      return;
    case 'close': {
      const member = members.get(message.id);
      members.delete(message.id);
      if (member) readings.close(member);
      return;
    }
    case 'warm':
      void connections.find(({ site }) => site.name === message.site)?.warm(WARM);
      return;
    case 'end':
      for (const member of members.values()) readings.close(member);
      void Promise.all(connections.map((site) => site.close())).finally(() => {
        sum.flush();
        port.close();
      });
  }
});
