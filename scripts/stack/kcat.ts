// kcat, the peer that reads Kafka without any of our code.
import { ensureProgram } from './debian-program.ts';

/** The words that call it. */
export const ensureKcat = (): Promise<readonly string[]> => ensureProgram('kcat');
