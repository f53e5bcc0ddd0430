// undici's Pool.request.

import { Pool } from 'undici';
import { EVENT, headersOf, sendAll, work } from './work.ts';

const { origin, pathname: path } = new URL(work.url);
const pool = new Pool(origin, { connections: work.connections });

await sendAll(async (n) => {
  const { statusCode, body } = await pool.request({
    path,
    method: 'POST',
    headers: headersOf(n),
    body: EVENT,
  });
  await body.dump();
  return statusCode;
});
