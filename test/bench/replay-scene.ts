// An instance that replays the log of the scan bench, and the webhook that it replays to.

import type { Instance } from '../support/instance.ts';
import { webhookAt } from './rig.ts';
import type { Rig } from './rig.ts';
import { KEYS } from './scan-data.ts';
import type { ScanData, ScanLog } from './scan-data.ts';

const ENV = {
  // The receiver is the limit and not the cap.
  REPRISE_MAX_RATE: '1000000',
  // The log is some months old.
  REPRISE_LOOKBACK_MS: String(366 * 86_400_000),
};

/** How the webhook wants its events. */
export interface Delivery {
  readonly mode: 'single' | 'ndjson';
  readonly maxEvents?: number;
}

export interface Scene {
  readonly rig: Rig;
  readonly data: ScanData;
  /** The key belongs to one webhook, which moves from receiver to receiver. */
  webhook: string | null;
  readonly profile: string | undefined;
}

export async function beginInstance(
  scene: Scene,
  { topic }: ScanLog,
  webhook: { readonly url: string; readonly delivery: Delivery },
): Promise<Instance> {
  const { rig, data, profile } = scene;
  const instance = await rig.instance('replay', topic, {
    ...ENV,
    REPRISE_SITES: `bench=${data.brokers}/${topic}`,
    ...(profile !== undefined && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }),
  });
  if (scene.webhook === null) {
    scene.webhook = await webhookAt(instance, webhook.url, { key: KEYS.common, delivery: webhook.delivery });
    return instance;
  }
  const { status } = await instance.call('PATCH', `/v1/webhooks/${scene.webhook}`, webhook);
  if (status !== 200) throw new Error(`the webhook's new place was refused with ${status}`);
  return instance;
}
