/** What users see of a `k8ts server` whose disk is full, or whose store is damaged or held by somebody else. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient, type WatchLine } from '../machine/api-client.ts';
import { run } from '../machine/command.ts';
import { closeEstate, openEstate, type Estate } from '../machine/estate.ts';
import { ServerProcess } from '../machine/server-process.ts';
import { waitFor } from '../machine/wait-for.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
jest.setTimeout(120_000);

let estate: Estate;
let server: ServerProcess;

beforeEach(() => {
  estate = openEstate(`bad-store-${process.hrtime.bigint()}`);
  server = new ServerProcess(estate);
});
afterEach(async () => {
  if (estate !== undefined) await closeEstate(estate);
});

interface Status {
  readonly kind: string;
  readonly reason: string;
  readonly message: string;
  readonly code: number;
}

test('a full disk: 503 with the next step, /readyz says so, watches and reads go on; with space again all goes on by itself', async () => {
  const folder = dirname(server.store);
  mkdirSync(folder, { recursive: true });
  await run(['mount', '-t', 'tmpfs', '-o', 'size=8m,mode=700', 'tmpfs', folder]);
  await server.launch();
  await server.ready();
  const client = new ApiClient(await server.credentials());
  const over = new AbortController();
  const { body } = await client.request('GET', MAPS);
  const from = (body as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
  const seen: string[] = [];
  const note = ({ type, object }: WatchLine): void => void seen.push(`${type} ${object.metadata?.name}`);
  const watching = client.watch(`${MAPS}?watch=1&resourceVersion=${from}`, note, over.signal);
  try {
    const made: string[] = [];
    const pad = 'x'.repeat(50_000);
    let refused: Status | undefined;
    for (let i = 0, refusals = 0; refusals < 5 && i < 2_000; i++) {
      const answer = await client.request('POST', MAPS, { metadata: { name: `c${i}` }, data: { pad } });
      if (answer.status === 201) made.push(`ADDED c${i}`);
      else {
        refused = answer.body as Status;
        refusals++;
      }
    }
    expect(refused).toMatchObject({
      kind: 'Status',
      code: 503,
      reason: 'ServiceUnavailable',
      message: expect.stringMatching(/state\.db cannot grow: no space left; free some/),
    });
    const unready = await client.request('GET', '/readyz?verbose');
    expect(unready.status).toBe(500);
    expect(unready.body).toMatch(/\[-\]etcd-readiness failed/);
    expect((await client.request('GET', '/livez')).status).toBe(200);
    expect((await client.request('GET', `${MAPS}/c0`)).status).toBe(200);

    await run(['mount', '-o', 'remount,size=64m', folder]);
    await waitFor('readiness', async () => (await client.request('GET', '/readyz')).status === 200);
    for (let i = 0; i < 10; i++) {
      const answer = await client.request('POST', MAPS, { metadata: { name: `after${i}` }, data: { pad } });
      expect(answer.status).toBe(201);
      made.push(`ADDED after${i}`);
    }
    await waitFor('the watch', () => seen.length >= made.length);
    expect(seen).toEqual(made);
  } finally {
    over.abort();
    await watching;
    client.close();
  }
});

test('a damaged log: the server does not start, says what is lost and what to do, and starts once it is told to go on', async () => {
  await server.launch();
  await server.ready();
  await server.kill9();
  const log = readFileSync(`${server.store}-wal`);
  writeFileSync(`${server.store}-wal`, log.fill(0x55, 10_000, 10_100));
  await server.launch();
  await expect(server.ready()).rejects.toThrow(/ended by itself/);
  const said = server.logged();
  expect(said).toMatch(/state\.db is damaged: its log state\.db-wal is damaged or cut at byte \d+/);
  const next = /run "(mv [^"]+)"/.exec(said)?.[1] ?? '';
  await run(next.split(' '));
  await server.launch();
  await server.ready();
});

test('a store that another process holds: its number is said', async () => {
  await server.launch();
  await server.ready();
  await server.kill9();
  const script = `
    const { DatabaseSync } = require('@photostructure/sqlite');
    const db = new DatabaseSync(process.argv[1]);
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE');
    console.log('held');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['-e', script, server.store], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise(resolve => holder.stdout.once('data', resolve));
    await server.launch();
    await expect(server.ready()).rejects.toThrow(/ended by itself/);
    expect(server.logged()).toContain(`in use by process ${holder.pid} (`);
  } finally {
    holder.kill('SIGKILL');
  }
  await sleep(50);
  await server.launch();
  await server.ready();
});
