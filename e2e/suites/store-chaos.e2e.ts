/**
 * kill -9 of a real `k8ts server` under the writes of several TLS clients, E2E_STORE_KILLS times (default 10).
 *
 * What clients were told is a model that is compared after every restart: no acknowledged write is lost, no revision means two
 * things, and watches that go on from the last revision they saw miss nothing and see nothing twice.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient, type WatchLine } from '../machine/api-client.ts';
import { closeEstate, openEstate, type Estate } from '../machine/estate.ts';
import { ServerProcess } from '../machine/server-process.ts';
import { waitFor } from '../machine/wait-for.ts';

const KILLS = Number(process.env['E2E_STORE_KILLS'] ?? 10);
const WRITERS = 6;
const WATCHERS = 3;
const SHARED = ['shared-0', 'shared-1'];
const MAPS = '/api/v1/namespaces/chaos/configmaps';
jest.setTimeout(60_000);

let estate: Estate;
let server: ServerProcess;
const clients: ApiClient[] = [];
const watchers: Follower[] = [];
const over = new AbortController();

/** A change as the client that made it, or one that watches, knows it. */
interface Change {
  readonly revision: number;
  readonly type: string;
  readonly name: string;
  readonly stamp: string;
}
interface ConfigMap {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data?: Readonly<Record<string, string>>;
}

/** Over all rounds: what was acknowledged, and every stamp that was ever sent. */
const acknowledged: Change[] = [];
const deleted = new Set<string>();
const sent = new Set<string>();
/** Revisions that a shared object's acknowledged update replaced, by its own. */
const replaced = new Map<number, number>();
let stamps = 0;
let unanswered = 0;

beforeAll(async () => {
  estate = openEstate(`store-chaos-${process.hrtime.bigint()}`);
  server = new ServerProcess(estate);
  await server.launch();
  await server.ready();
  const credentials = await server.credentials();
  for (let i = 0; i < WRITERS; i++) clients.push(new ApiClient(credentials));
  const [client] = clients as [ApiClient];
  const made = await client.request('POST', '/api/v1/namespaces', { metadata: { name: 'chaos' } });
  expect(made.status).toBe(201);
  for (const name of SHARED) await create(client, name);
  const { body } = await client.request('GET', MAPS);
  const from = Number((body as ConfigMap).metadata.resourceVersion);
  for (let i = 0; i < WATCHERS; i++) watchers.push(new Follower(new ApiClient(credentials), from));
});
afterAll(async () => {
  over.abort();
  for (const client of clients) client.close();
  await Promise.all(watchers.map(w => w.done));
  if (estate !== undefined) await closeEstate(estate);
});

/** Watches from `revision` on; whenever the connection ends, again from the last revision that came. */
class Follower {
  readonly changes: Change[] = [];
  expired = 0;
  revision: number;
  readonly from: number;
  readonly done: Promise<void>;

  constructor(client: ApiClient, revision: number) {
    this.revision = revision;
    this.from = revision;
    this.done = this.run(client).finally(() => client.close());
  }

  private async run(client: ApiClient): Promise<void> {
    while (!over.signal.aborted) {
      const path = `${MAPS}?watch=1&resourceVersion=${this.revision}&allowWatchBookmarks=true`;
      const status = await client.watch(path, line => this.take(line), over.signal);
      if (status === 410) this.expired++;
      await sleep(20);
    }
  }

  private take({ type, object }: WatchLine): void {
    if (type === 'ERROR') {
      this.expired++;
      return;
    }
    const revision = Number(object.metadata?.resourceVersion);
    if (type !== 'BOOKMARK') {
      this.changes.push({ revision, type, name: object.metadata?.name ?? '', stamp: object.data?.['stamp'] ?? '' });
    }
    this.revision = revision;
  }
}

function newStamp(): string {
  const stamp = `s${stamps++}`;
  sent.add(stamp);
  return stamp;
}

function note(type: string, body: unknown): number {
  const { metadata, data } = body as ConfigMap;
  const revision = Number(metadata.resourceVersion);
  acknowledged.push({ revision, type, name: metadata.name, stamp: data?.['stamp'] ?? '' });
  return revision;
}

async function create(client: ApiClient, name: string): Promise<void> {
  const pad = 'x'.repeat((stamps * 131) % 3_000);
  const answer = await client.request('POST', MAPS, { metadata: { name }, data: { stamp: newStamp(), pad } });
  expect([name, answer.status]).toEqual([name, 201]);
  note('ADDED', answer.body);
}

/** Reads one that all write to, and replaces what was read. */
async function replaceShared(client: ApiClient, name: string): Promise<void> {
  const { body } = await client.request('GET', `${MAPS}/${name}`);
  const current = body as ConfigMap;
  const answer = await client.request('PUT', `${MAPS}/${name}`, { ...current, data: { stamp: newStamp() } });
  if (answer.status === 409) return;
  expect([name, answer.status]).toEqual([name, 200]);
  replaced.set(note('MODIFIED', answer.body), Number(current.metadata.resourceVersion));
}

/** Creates, changes and deletes until the server is gone. No name is used twice. */
async function write(client: ApiClient, prefix: string): Promise<void> {
  try {
    for (let i = 0; ; i++) {
      const name = `${prefix}-${i}`;
      await create(client, name);
      if (i % 2 === 0) {
        const body = { data: { stamp: newStamp() } };
        const answer = await client.request('PATCH', `${MAPS}/${name}`, body, 'application/merge-patch+json');
        expect([name, answer.status]).toEqual([name, 200]);
        note('MODIFIED', answer.body);
      }
      if (i % 3 === 0) await replaceShared(client, SHARED[i % SHARED.length] as string);
      if (i % 4 === 0) {
        const answer = await client.request('DELETE', `${MAPS}/${name}`);
        expect([name, answer.status]).toEqual([name, 200]);
        deleted.add(name);
      }
    }
  } catch (error) {
    // What the server was asked when it died is unknown, and must be so.
    if ((error as NodeJS.ErrnoException).code === undefined && !/cut off|socket hang up/.test(String(error)))
      throw error;
    unanswered++;
  }
}

/** Everything that anybody was told fits together. */
function compare(items: readonly ConfigMap[]): void {
  const [first, ...others] = watchers as [Follower, ...Follower[]];
  for (const other of others) expect(other.changes).toEqual(first.changes);
  const seen = new Map(first.changes.map(c => [c.revision, c]));
  expect(first.changes.every((c, i, all) => i === 0 || c.revision > (all[i - 1] as Change).revision)).toBe(true);

  // No acknowledged write is missing, or something else than what was acknowledged.
  const told = acknowledged.filter(c => c.revision > first.from);
  expect(told.map(c => seen.get(c.revision)).filter((c, i) => JSON.stringify(c) !== JSON.stringify(told[i]))).toEqual(
    [],
  );
  // No revision was given out twice.
  expect(new Set(acknowledged.map(c => c.revision)).size).toBe(acknowledged.length);
  // Nothing that nobody wrote.
  const ours = first.changes.filter(c => c.stamp !== '');
  expect(ours.filter(c => !sent.has(c.stamp))).toEqual([]);

  // What is there is what the changes led to.
  const state = new Map<string, string>();
  const last = new Map<string, number>();
  for (const { type, name, stamp, revision } of ours) {
    // An update replaced what its writer had read, and nothing else.
    const based = replaced.get(revision);
    if (based !== undefined && based > first.from) expect([name, last.get(name)]).toEqual([name, based]);
    last.set(name, revision);
    if (type === 'DELETED') state.delete(name);
    else state.set(name, stamp);
  }
  const found = new Map(items.map(i => [i.metadata.name, i.data?.['stamp'] ?? '']));
  for (const [name, stamp] of state) expect([name, found.get(name)]).toEqual([name, stamp]);
  for (const name of found.keys()) {
    if (/^r\d/.test(name)) expect([name, state.has(name)]).toEqual([name, true]);
  }
  expect([...deleted].filter(name => found.has(name))).toEqual([]);
}

test.each(Array.from({ length: KILLS }, (_, i) => i + 1))('kill -9 under writes, number %i', async round => {
  const before = acknowledged.length;
  const writing = Promise.all(clients.map((client, i) => write(client, `r${round}w${i}`)));
  // When it is killed is meant to be arbitrary, but for one write that there is to lose.
  await sleep(50 + Math.random() * 900);
  await waitFor('an acknowledged write', () => acknowledged.length > before, { everyMs: 10 }).finally(() =>
    server.kill9(),
  );
  await writing;
  await server.launch();
  if (round % 4 === 0) {
    await sleep(Math.random() * 800);
    await server.kill9();
    await server.launch();
  }
  await server.ready();

  const [client] = clients as [ApiClient];
  await create(client, `r${round}-mark`);
  const mark = (acknowledged.at(-1) as Change).revision;
  await waitFor('all watches to reach now', () => watchers.every(w => w.revision >= mark), { everyMs: 10 });
  const { body } = await client.request('GET', MAPS);
  compare((body as { items: ConfigMap[] }).items);
  expect(watchers.map(w => w.expired)).toEqual(watchers.map(() => 0));
});

test('some requests were under way at each kill', () => {
  expect(unanswered).toBeGreaterThanOrEqual(KILLS);
});
