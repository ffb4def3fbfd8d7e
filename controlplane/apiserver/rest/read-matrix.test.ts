/**
 * What lists and watches say to each combination of resourceVersion, resourceVersionMatch, limit and continue.
 * Outcomes are those of upstream's kube-apiserver, seen on 1.20 and, where later versions differ, read from `meta/internalversion/validation`.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Transport, WatchEvent } from '../../../machinery/client/transport.ts';
import { StatusError } from '../../../machinery/meta/status-error.ts';
import { systemClock } from '../../../machinery/process/clock.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { startServer, type RunningServer } from '../testdata/running-server.ts';

interface List {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly { readonly metadata: { readonly name: string; readonly resourceVersion: string } }[];
}

const PATH = '/api/v1/namespaces/default/configmaps';
const store = new MemoryStore(systemClock);
let admin: Transport;
let running: RunningServer;
/** Revision at which `a`, `b` and `c` were there, and `d` and `e` were not. */
let early: string;
/** Of the list at `early`, in pages of two. */
let token: string;

const create = (name: string): Promise<unknown> =>
  admin.call({ method: 'POST', path: PATH, body: { metadata: { name } } });
const list = (query: Record<string, string> = {}): Promise<List> =>
  admin.call({ method: 'GET', path: PATH, query }) as Promise<List>;

beforeAll(async () => {
  running = await startServer({ store });
  admin = running.admin;
  for (const name of ['a', 'b', 'c']) await create(name);
  const page = await list({ limit: '2' });
  early = page.metadata.resourceVersion;
  token = page.metadata.continue ?? '';
  for (const name of ['d', 'e']) await create(name);
});
afterAll(() => running.stop());

/** EARLY and TOKEN stand for what is known only when the test runs. */
function settled(query: Readonly<Record<string, string>>): Record<string, string> {
  const known: Readonly<Record<string, string>> = { EARLY: early, TOKEN: token };
  return Object.fromEntries(Object.entries(query).map(([key, value]) => [key, known[value] ?? value]));
}

const RV = 'resourceVersion';
const MATCH = 'resourceVersionMatch';
const forbidden = (why: string): string => `resourceVersionMatch: Forbidden: resourceVersionMatch ${why}`;
const NEEDS_VERSION = forbidden('is forbidden unless resourceVersion is provided');
const NO_CONTINUE = forbidden('is forbidden when continue is provided');
const NO_ZERO = forbidden('"exact" is forbidden for resourceVersion "0"');
const UNKNOWN = 'resourceVersionMatch: Unsupported value: "Foo": supported values: ';
const NOT_A_NUMBER =
  'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax';

describe('a list', () => {
  test.each([
    [{}, 'abcde'],
    [{ [RV]: '0' }, 'abcde'],
    [{ [RV]: 'EARLY' }, 'abcde'],
    [{ [RV]: 'EARLY', [MATCH]: 'NotOlderThan' }, 'abcde'],
    [{ [RV]: 'EARLY', [MATCH]: 'Exact' }, 'abc'],
    [{ [RV]: '0', [MATCH]: 'NotOlderThan' }, 'abcde'],
    [{ limit: '2' }, 'ab>3'],
    [{ limit: '5' }, 'abcde'],
    [{ limit: '0' }, 'abcde'],
    // Whatever is in memory comes in one piece.
    [{ limit: '2', [RV]: '0' }, 'abcde'],
    [{ limit: '2', [RV]: '0', [MATCH]: 'NotOlderThan' }, 'abcde'],
    // A limit makes a revision an exact one where no match says otherwise.
    [{ limit: '2', [RV]: 'EARLY' }, 'ab>1'],
    [{ limit: '2', [RV]: 'EARLY', [MATCH]: 'Exact' }, 'ab>1'],
    [{ limit: '2', [RV]: 'EARLY', [MATCH]: 'NotOlderThan' }, 'ab>3'],
    [{ continue: 'TOKEN' }, 'c'],
    [{ continue: 'TOKEN', limit: '1' }, 'c'],
    [{ continue: 'TOKEN', [RV]: '0' }, 'c'],
    [{ fieldSelector: 'metadata.name=b' }, 'b'],
    // With selectors nobody counts what is left.
    [{ labelSelector: '!x', limit: '2' }, 'ab>?'],
  ] as const)('%j: %s', async (query, want) => {
    const { items, metadata } = await list(settled(query));
    const more = metadata.continue === undefined ? '' : `>${metadata.remainingItemCount ?? '?'}`;
    expect(items.map(item => item.metadata.name).join('') + more).toBe(want);
  });

  test.each([
    [{ [MATCH]: 'Exact' }, 422, [NEEDS_VERSION]],
    [{ [MATCH]: 'NotOlderThan' }, 422, [NEEDS_VERSION]],
    [{ [MATCH]: 'Exact', continue: 'TOKEN' }, 422, [NEEDS_VERSION, NO_CONTINUE]],
    [{ [MATCH]: 'Exact', [RV]: '0' }, 422, [NO_ZERO]],
    [{ [MATCH]: 'Exact', [RV]: '0', continue: 'TOKEN' }, 422, [NO_CONTINUE, NO_ZERO]],
    [{ [MATCH]: 'NotOlderThan', [RV]: 'EARLY', continue: 'TOKEN' }, 422, [NO_CONTINUE]],
    [{ [MATCH]: 'Foo', [RV]: 'EARLY' }, 422, [UNKNOWN]],
    [{ [MATCH]: 'Foo' }, 422, [NEEDS_VERSION, UNKNOWN]],
    [{ sendInitialEvents: 'true' }, 422, ['sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list']],
    [{ [RV]: 'EARLY', continue: 'TOKEN' }, 400, ['specifying resource version is not allowed when using continue']],
    [{ continue: 'garbage' }, 400, ['invalid continue token: continue key is not valid: ']],
    [{ [RV]: 'x' }, 400, [NOT_A_NUMBER]],
    [{ [RV]: 'x', limit: '2' }, 400, [NOT_A_NUMBER]],
    [{ limit: 'x' }, 400, ['strconv.ParseInt: parsing "x": invalid syntax']],
    [{ labelSelector: '=' }, 400, ["found '=', expected: !, identifier, or 'end of string'"]],
    [
      { fieldSelector: 'spec.x=1' },
      400,
      ['"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'],
    ],
    [{ fieldSelector: 'metadata.name' }, 400, ["invalid selector: 'metadata.name'; can't understand 'metadata.name'"]],
  ] as const)('%j is refused with %d', async (query, code, words) => {
    const error = await list(settled(query)).then(
      () => undefined,
      (e: unknown) => e as StatusError,
    );
    expect(error?.code).toBe(code);
    let at = 0;
    for (const word of words) {
      // In this order.
      at = (error?.message ?? '').indexOf(word, at);
      expect([error?.message, at]).not.toEqual([error?.message, -1]);
    }
  });

  test('of a revision that nobody has reached is a timeout after which to come back', async () => {
    const error = await list({ [RV]: '999999999' }).catch((e: unknown) => e as StatusError);
    expect(error).toBeInstanceOf(StatusError);
    const { code, message, details } = error as StatusError;
    expect([code, message]).toEqual([
      504,
      expect.stringMatching(/^Timeout: Too large resource version: 999999999, current: \d+$/),
    ]);
    expect(details).toEqual({
      retryAfterSeconds: 1,
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    });
  });

  test('that went on for too long is told how to go on inconsistently', async () => {
    const other = '/api/v1/namespaces/default/secrets';
    const call = (query: Record<string, string>): Promise<List> =>
      admin.call({ method: 'GET', path: other, query }) as Promise<List>;
    for (const name of ['p', 'q', 'r']) await admin.call({ method: 'POST', path: other, body: { metadata: { name } } });
    const first = await call({ limit: '1' });
    // History is gone: from memory by writing more than is kept, from the store by compaction.
    for (let i = 0; i < 100; i++)
      await admin.call({
        method: 'PATCH',
        path: `${other}/r`,
        contentType: 'application/merge-patch+json',
        body: { data: { n: btoa(`${'x'.repeat(90_000)}${i}`) } },
      });
    await store.compact(await store.currentRevision());
    const error = (await call({ limit: '1', continue: first.metadata.continue ?? '' }).catch(
      (e: unknown) => e,
    )) as StatusError;
    expect([error.code, error.reason]).toEqual([410, 'Expired']);
    // What the Status carries (see storage.test.ts): the same place at whatever revision there is.
    const fresh = btoa(JSON.stringify({ v: 'meta.k8s.io/v1', rv: -1, start: 'default/p' }));
    const rest = await call({ continue: fresh });
    expect(rest.items.map(item => item.metadata.name)).toEqual(['q', 'r']);
  });
});

describe('a watch', () => {
  const watch = async (query: Record<string, string>, events: number): Promise<WatchEvent[]> => {
    const seen: WatchEvent[] = [];
    for await (const event of admin.watch({ method: 'GET', path: PATH, query: { watch: '1', ...settled(query) } }))
      if (seen.push(event) === events) break;
    return seen;
  };
  const short = ({ type, object }: WatchEvent): string => {
    const { name = '', annotations = {} } = (
      object as { metadata: { name?: string; annotations?: Record<string, string> } }
    ).metadata;
    return `${type}:${name}${annotations['k8s.io/initial-events-end'] === 'true' ? '!' : ''}`;
  };
  const LIST = { sendInitialEvents: 'true', [MATCH]: 'NotOlderThan', allowWatchBookmarks: 'true' };

  test.each([
    [{}, ['ADDED:a', 'ADDED:b', 'ADDED:c', 'ADDED:d', 'ADDED:e']],
    [{ [RV]: '0' }, ['ADDED:a', 'ADDED:b', 'ADDED:c', 'ADDED:d', 'ADDED:e']],
    [{ [RV]: 'EARLY' }, ['ADDED:d', 'ADDED:e']],
    [LIST, ['ADDED:a', 'ADDED:b', 'ADDED:c', 'ADDED:d', 'ADDED:e', 'BOOKMARK:!']],
    [{ ...LIST, [RV]: 'EARLY' }, ['ADDED:a', 'ADDED:b', 'ADDED:c', 'ADDED:d', 'ADDED:e', 'BOOKMARK:!']],
    [{ fieldSelector: 'metadata.name=c' }, ['ADDED:c']],
    [{ ...LIST, fieldSelector: 'metadata.name=nobody' }, ['BOOKMARK:!']],
  ] as const)('%j: %j', async (query, want) => {
    expect((await watch(query, want.length)).map(short)).toEqual(want);
  });

  const NEEDS_INITIAL = forbidden('is forbidden for watch unless sendInitialEvents is provided');
  test.each([
    [{ [MATCH]: 'NotOlderThan' }, 422, NEEDS_INITIAL],
    [
      { [MATCH]: 'Exact', [RV]: '1' },
      422,
      `[${NEEDS_INITIAL}, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]`,
    ],
    [
      { sendInitialEvents: 'true' },
      422,
      forbidden('NotOlderThan').replace(
        'resourceVersionMatch NotOlderThan',
        'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      ),
    ],
    [{ ...LIST, continue: 'x' }, 422, NO_CONTINUE],
    [{ [RV]: 'x' }, 400, NOT_A_NUMBER],
  ] as const)('%j is refused with %d', async (query, code, words) => {
    const error = (await watch(query, 1).catch((e: unknown) => e)) as StatusError;
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(words)]);
  });

  test('of one name by its own path gives the object, as every get does', async () => {
    const object = (await admin.call({ method: 'GET', path: `${PATH}/a`, query: { watch: '1' } })) as List['items'][0];
    expect(object.metadata.name).toBe('a');
  });

  test('by the deprecated paths is a watch all the same', async () => {
    const path = '/api/v1/watch/namespaces/default/configmaps/b';
    for await (const event of admin.watch({ method: 'GET', path })) {
      expect(short(event)).toBe('ADDED:b');
      break;
    }
  });
});
