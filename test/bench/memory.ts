import type { Rig } from './rig.ts';
export async function memory(_rig: Rig, _say: (line: string) => void): Promise<void> {
  await Promise.resolve();
}
