import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { silentLogger } from '../../../../machinery/process/logger.ts';
import { MetricsRegistry } from '../../../../machinery/process/metrics.ts';
import { HttpMetrics } from '../http-metrics.ts';
import { RequestHandler } from '../request-handler.ts';
import { nodeLogsRoute } from './node-logs.ts';

let folder: string;
let server: Server;
let base: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'node-logs-'));
  const logs = join(folder, 'log');
  mkdirSync(join(logs, 'below'), { recursive: true });
  writeFileSync(join(logs, 'below', 'a.log'), 'hello');
  writeFileSync(join(logs, 'javascript:x'), '');
  writeFileSync(join(logs, '<b>"&#?'), '');
  writeFileSync(join(folder, 'secret'), 'secret');
  symlinkSync('below/a.log', join(logs, 'inside'));
  symlinkSync('../secret', join(logs, 'outside'));
  symlinkSync(folder, join(logs, 'up'));
  symlinkSync('/dev/zero', join(logs, 'zero'));
  execFileSync('mkfifo', [join(logs, 'pipe')]);
  const handler = new RequestHandler({
    routes: [nodeLogsRoute({ isEnabled: true, allowsQuery: true, folder: logs })],
    serverType: 'readonly',
    metrics: new HttpMetrics(new MetricsRegistry()),
    logger: silentLogger,
  });
  server = createServer((request, response) => handler.onRequest(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

test.each([
  ['/logs/below/a.log', 200, 'hello'],
  ['/logs/inside', 200, 'hello'],
  ['/logs/outside', 404, ''],
  ['/logs/up/secret', 404, ''],
  ['/logs/up%2Fsecret', 404, ''],
  ['/logs/%2e%2e/secret', 404, ''],
  ['/logs/..%2Fsecret', 404, ''],
  ['/logs/a%00b', 404, ''],
  ['/logs/zero', 404, ''],
  ['/logs/pipe', 403, 'is no file'],
  ['/logs/?query=..%2Fsecret', 404, ''],
  ['/logs/?query=/up/secret', 404, ''],
  ['/logs/', 200, '<a href="./javascript:x">javascript:x</a>'],
  ['/logs/', 200, '<a href="%3Cb%3E%22&%23%3F">&lt;b&gt;&#34;&amp;#?</a>'],
])('GET %s answers %i with "%s"', async (path, code, text) => {
  const answer = await fetch(base + path);
  expect(answer.status).toBe(code);
  expect(await answer.text()).toContain(text);
});
