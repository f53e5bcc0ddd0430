// Swagger UI in a real browser, under the policy that it is served with: it shows the description, a request that is
// tried there is answered, nothing is asked of another host, and the policy refuses nothing that the page needs.
// On a machine without Chromium where this user cannot install it the test is left out, and says so.

import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureChromium } from '../../scripts/stack/chromium.ts';
import { Stage } from '../support/stage.ts';

const executablePath = ensureChromium();
if (executablePath === null) console.log('no Chromium: /docs is not looked at in a browser');

/** None of its own business with other hosts. */
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'];
QUIET.push('--disable-background-networking', '--disable-component-update');

let stage: Stage;
let browser: Browser;
beforeAll(async () => {
  if (executablePath === null) return;
  stage = await Stage.open();
  browser = await chromium.launch({ executablePath, args: QUIET });
}, 180_000);
afterAll(async () => {
  if (executablePath === null) return;
  await browser.close();
  await stage.close();
});

/** What it asked for and what went wrong, from the first request on. */
function watch(page: Page) {
  const hosts = new Set<string>();
  const troubles: string[] = [];
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== 'data:') hosts.add(host);
  });
  page.on('console', (message) => {
    if (message.type() === 'error') troubles.push(message.text());
  });
  page.on('pageerror', (error) => troubles.push(error.message));
  return { hosts, troubles };
}

test.skipIf(executablePath === null)(
  '/docs shows every operation and tries one, without another host',
  async () => {
    const { instance } = stage;
    const page = await browser.newPage();
    const { hosts, troubles } = watch(page);
    await page.goto(`${instance.url}/docs`);
    const { paths, webhooks } = (await (await fetch(`${instance.url}/v1/openapi.json`)).json()) as {
      paths: Record<string, object>;
      webhooks: Record<string, object>;
    };
    const operations = [paths, webhooks].flatMap(Object.values<object>).flatMap(Object.keys).length;
    await page.locator('.opblock').first().waitFor();
    expect(await page.locator('.opblock').count()).toBe(operations);

    const alive = page.locator('.opblock', { has: page.locator('[data-path="/healthz"]') });
    await alive.locator('.opblock-summary').click();
    await alive.getByRole('button', { name: 'Try it out' }).click();
    await alive.getByRole('button', { name: 'Execute' }).click();
    const answer = alive.locator('.live-responses-table .response-col_status').last();
    await answer.waitFor();
    expect(await answer.innerText()).toContain('200');

    // It has its style.
    const size = await page.evaluate("getComputedStyle(document.querySelector('.info .title')).fontSize");
    expect(size).toBe('36px');
    expect([...hosts]).toEqual([new URL(instance.url).host]);
    expect(troubles).toEqual([]);
  },
  60_000,
);
