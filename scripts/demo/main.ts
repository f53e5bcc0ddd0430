// npm run demo: the main job on real parts, with a SIGKILL in the middle. Everything it needs is started here
// and ended here: private Kafka clusters and MariaDB, a webhook receiver, and instances of Reprise.
//   npm run demo                 one cluster; the owner of the replay is killed
//   npm run demo -- --sites 2    two clusters and MirrorMaker; a whole site is killed, then the owner too
// Exit 0 only when the receiver has each missed event, nothing else, and no more repeats than promised.

import { parseArgs } from 'node:util';
import { oneSite } from './one-site.ts';
import { DemoStage } from './stage.ts';
import { twoSites } from './two-sites.ts';

function demoOf(): typeof oneSite {
  try {
    const { values } = parseArgs({ options: { sites: { type: 'string', default: '1' } } });
    if (values.sites === '1') return oneSite;
    if (values.sites === '2') return twoSites;
    throw new Error(`not a number of sites for the demo: ${values.sites}`);
  } catch (error) {
    console.error(
      `${error instanceof Error ? error.message : String(error)}\nusage: npm run demo [-- --sites 2]`,
    );
    process.exit(2);
  }
}

const demo = demoOf();
const stage = new DemoStage();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    void stage.close().finally(() => process.exit(130));
  });
}

let code = 1;
try {
  const { faults, line } = await demo(stage);
  for (const fault of faults) stage.line.say(`wrong: ${fault}`);
  stage.line.say(line);
  code = faults.length === 0 ? 0 : 1;
} catch (error) {
  stage.line.say(`wrong: ${error instanceof Error ? error.message : String(error)}`);
}
await stage.close();
process.exit(code);
