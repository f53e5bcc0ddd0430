// axios with Node's keep-alive agent.

import { Agent } from 'node:http';
import axios from 'axios';
import { EVENT, headersOf, sendAll, work } from './work.ts';

const httpAgent = new Agent({ keepAlive: true, maxSockets: work.connections });
const client = axios.create({ httpAgent, proxy: false });

await sendAll(async (n) => (await client.post(work.url, EVENT, { headers: headersOf(n) })).status);
