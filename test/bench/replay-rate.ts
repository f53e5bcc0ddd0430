// One replay with a capped rate, and when each of its events arrived.

import { statusOf } from '../../scripts/stack/stack.ts';
import { FastReceiver } from './fast-receiver.ts';
import { Busyness } from './machine.ts';
import type { CappedRun } from './replay-report.ts';
import { beginInstance } from './replay-scene.ts';
import type { Scene } from './replay-scene.ts';
import { requestReplay, untilEnded } from './rig.ts';
import type { ScanLog } from './scan-data.ts';

const DEADLINE_MS = 240_000;

export async function atCappedRate(scene: Scene, log: ScanLog, perSecond: number): Promise<CappedRun> {
  const receiver = await FastReceiver.start();
  try {
    const instance = await beginInstance(scene, log, { url: receiver.url, delivery: { mode: 'single' } });
    const servers = Object.values(statusOf(scene.rig.stack.name).running).filter((pid) => pid !== undefined);
    const pids = [instance.pid, receiver.pid, scene.data.brokerPid, ...servers];
    const busy = new Busyness([process.pid, ...pids]);
    const id = await requestReplay(instance, scene.webhook ?? '', log, { maxRate: perSecond });
    await untilEnded(instance, id, 'COMPLETED', DEADLINE_MS);
    const { foreignShare } = busy;
    await instance.stop();
    const { events, distinct } = await receiver.arrived();
    if (events !== log.wanted.common || distinct !== events) {
      throw new Error(`${events} events, ${distinct} distinct, of ${log.wanted.common} arrived`);
    }
    const { slotMs, counts } = await receiver.arrivals();
    const atMs = counts.flatMap((count, slot) => Array.from({ length: count }, () => slot * slotMs));
    return { atMs, foreignShare };
  } finally {
    await receiver.close();
  }
}
