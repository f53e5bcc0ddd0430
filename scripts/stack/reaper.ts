// Ends a stack when its owner is gone, however it went. Runs as a process of its own:
//   node reaper.ts <stack folder> <owner pid> <owner start time> <wipe|keep>
import { existsSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from './process.ts';
import { endServers } from './servers.ts';

const POLL_MS = 300;
// The owner may have died between starting a server's shell and that shell's writing of its pid
// file: look again for a moment before the folder goes.
const SWEEPS = 4;

const [dir = '', pid = '', startTime = '', data = ''] = process.argv.slice(2);
process.on('SIGHUP', () => undefined);

while (isAlive({ pid: Number(pid), startTime })) {
  if (!existsSync(dir)) process.exit(0);
  await sleep(POLL_MS);
}
for (let sweep = 0; sweep < SWEEPS; sweep++) {
  await endServers(dir, 0);
  await sleep(POLL_MS);
}
if (data === 'wipe') rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
