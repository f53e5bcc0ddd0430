// npm run format: Prettier over everything, in place.

import { run } from './check.ts';

process.exit(await run('prettier', ['prettier', '--write', '--log-level', 'warn', '.']));
