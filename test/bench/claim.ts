import type { Rig } from './rig.ts';
export async function claim(_rig: Rig, _say: (line: string) => void): Promise<void> {
  await Promise.resolve();
}
