// Fetches what the stack needs. bootstrap.mjs runs it before every script that wants Java, so that
// a download shows up once, at the beginning, and not in the middle of a test.
import { ensureKafka, ensureMariadb } from './artifacts.ts';

try {
  // One after the other: the first may have to fill an empty local Maven repository.
  await ensureKafka();
  await ensureMariadb();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
