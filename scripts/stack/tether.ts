// Preloaded by bootstrap.mjs into the script it runs: when bootstrap is killed with SIGKILL and can
// forward nothing any more, the script still ends. The check against REPRISE_TETHER keeps children
// and workers of the script, which inherit the flag, out of it.
import { isMainThread } from 'node:worker_threads';

const POLL_MS = 500;
const LAST_WORD_MS = 15_000;
const parent = process.ppid;

if (isMainThread && process.env['REPRISE_TETHER'] === String(parent)) {
  delete process.env['REPRISE_TETHER'];
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), LAST_WORD_MS).unref();
    process.kill(process.pid, 'SIGTERM');
  }, POLL_MS);
  watch.unref();
}
