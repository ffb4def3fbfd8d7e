import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { AllocationStore } from './allocation-store.ts';
import { Resizer } from './resizer.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

function pod(uid: string, cpu: string, generation = 1): Pod {
  return {
    metadata: { name: uid, uid, generation },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }] },
  };
}

/** A node of four processors, with a real folder. */
async function setup() {
  const root = await mkdtemp(join(tmpdir(), 'allocations-'));
  folders.push(root);
  const paths = { root, podLogs: '', containerLogs: '' };
  const store = new AllocationStore(paths, silentLogger);
  const events: string[] = [];
  const woken: string[] = [];
  const here = new Map<string, Pod>();
  const resizer = new Resizer({
    store,
    clock: new FakeClock(),
    logger: silentLogger,
    recorder: { event: (_, __, reason) => void events.push(reason) },
    node: () => ({ metadata: {}, spec: {}, status: { allocatable: { cpu: '4' } } }) as Node,
    rules: { staticCpus: false, staticMemory: false, swap: false },
    pods: () => [...here.values()].map(one => store.podOf(one)),
    wake: uid => void woken.push(uid),
  });
  const admit = async (one: Pod): Promise<void> => {
    here.set(one.metadata.uid ?? '', one);
    await store.admit(one);
  };
  const ask = (one: Pod): string | undefined => {
    here.set(one.metadata.uid ?? '', one);
    return resizer.consider(one).spec.containers[0]?.resources?.requests?.['cpu'];
  };
  const again = async (): Promise<AllocationStore> => {
    const next = new AllocationStore(paths, silentLogger);
    await next.load();
    return next;
  };
  return { root, store, resizer, events, woken, here, admit, ask, again };
}

describe('Resizer', () => {
  test('takes what fits, and says what it is about to do', async () => {
    const { admit, ask, events, resizer } = await setup();
    await admit(pod('a', '1'));
    expect(ask(pod('a', '3', 2))).toBe('3');
    expect(events).toEqual(['ResizeStarted']);
    expect(resizer.conditions('a')).toEqual([{ type: 'PodResizeInProgress', status: 'True', observedGeneration: 2 }]);
  });

  test('what does not fit waits, told once, until another pod is gone', async () => {
    const { admit, ask, events, resizer, here, woken } = await setup();
    await admit(pod('a', '1'));
    await admit(pod('b', '2'));
    expect(ask(pod('a', '3', 2))).toBe('1');
    expect(ask(pod('a', '3', 2))).toBe('1');
    expect(events).toEqual(['ResizeDeferred']);
    expect(resizer.conditions('a')[0]?.reason).toBe('Deferred');
    here.delete('b');
    await resizer.forget('b');
    expect(woken).toEqual(['a']);
    expect(ask(pod('a', '3', 2))).toBe('3');
    expect(events).toEqual(['ResizeDeferred', 'ResizeStarted']);
  });

  test('room that one resize gives back goes to another that waits', async () => {
    const { admit, ask, woken } = await setup();
    await admit(pod('a', '2'));
    await admit(pod('b', '2'));
    expect(ask(pod('a', '3', 2))).toBe('2');
    expect(ask(pod('b', '1', 2))).toBe('1');
    expect(woken).toEqual(['a']);
    expect(ask(pod('a', '3', 2))).toBe('3');
  });

  test('who takes back what was asked waits no more', async () => {
    const { admit, ask, resizer } = await setup();
    await admit(pod('a', '1'));
    ask(pod('a', '9', 2));
    expect(resizer.conditions('a')[0]?.reason).toBe('Infeasible');
    ask(pod('a', '1', 3));
    expect(resizer.conditions('a')).toEqual([]);
  });

  test('an error is told until the resize goes on', async () => {
    const { admit, ask, resizer } = await setup();
    await admit(pod('a', '1'));
    ask(pod('a', '2', 2));
    expect([resizer.setError('a', 'no'), resizer.setError('a', 'no')]).toEqual([true, false]);
    expect(resizer.conditions('a')).toMatchObject([{ reason: 'Error', message: 'no', observedGeneration: 2 }]);
    resizer.setError('a', undefined);
    expect(resizer.conditions('a')).toEqual([{ type: 'PodResizeInProgress', status: 'True', observedGeneration: 2 }]);
  });
});

describe('AllocationStore', () => {
  const given = { cpuShares: 1, cpuQuotaUs: 2, memoryLimitBytes: 3, memoryRequestBytes: 4 };

  test('a kubelet that was killed in the middle of a resize goes on with it', async () => {
    const { store, admit, again } = await setup();
    await admit(pod('a', '1'));
    await store.allocate(pod('a', '2', 7));
    await store.apply('a', 'id', given);
    const next = await again();
    expect(next.podOf(pod('a', '3', 8))).toEqual(pod('a', '2', 8));
    expect([next.resizing('a'), next.applied('a', 'id')]).toEqual([7, given]);
    await next.complete('a', new Set(['other']));
    const last = await again();
    expect([last.resizing('a'), last.applied('a', 'id')]).toEqual([undefined, undefined]);
    expect(last.podOf(pod('a', '3'))).toEqual(pod('a', '2'));
  });

  test('what an earlier run allocated is not what the spec asks for by now', async () => {
    const { admit, again } = await setup();
    await admit(pod('a', '1'));
    const next = await again();
    await next.admit(pod('a', '2'));
    expect(next.podOf(pod('a', '2'))).toEqual(pod('a', '1'));
  });

  test('pods that ask for nothing leave no file', async () => {
    const { root, store } = await setup();
    await store.admit({ metadata: { uid: 'n' }, spec: { containers: [{ name: 'c' }] } });
    await expect(readFile(`${root}/pods/n/allocation.json`)).rejects.toThrow('ENOENT');
  });
});
