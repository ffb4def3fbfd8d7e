import { expect, test } from '@jest/globals';
import type { Client, ResourceClient } from '../../../machinery/client/client.ts';
import { StatusError } from '../../../machinery/meta/status-error.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Pod, PodStatus } from '../../../proto/api/core-v1.ts';
import { StatusManager } from './status-manager.ts';

/** A server that keeps one pod; `fail` makes the next calls fail. */
function setup(pod: Pod) {
  const calls: string[] = [];
  let version = 10;
  let fail: StatusError | undefined;
  const answer = <T>(call: string, value: () => T): Promise<T> => {
    calls.push(call);
    return fail === undefined ? Promise.resolve(value()) : Promise.reject(fail);
  };
  const resource = {
    patch: (_: unknown, patch: { status: PodStatus }) =>
      answer(`patch ${patch.status.phase ?? ''}`, () => ({
        ...pod,
        metadata: { ...pod.metadata, resourceVersion: String(++version) },
        status: patch.status,
      })),
    delete: () => answer('delete', () => undefined),
  } as unknown as ResourceClient<Pod>;
  const clock = new FakeClock();
  const manager = new StatusManager({
    client: { of: () => resource } as unknown as Client,
    clock,
    logger: silentLogger,
  });
  const abort = new AbortController();
  const running = manager.run(abort.signal);
  manager.podSeen(pod);
  const stop = async () => {
    abort.abort();
    await running;
  };
  return { manager, clock, calls, stop, setFail: (error: StatusError | undefined) => (fail = error) };
}

const pod: Pod = { metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '9' }, spec: { containers: [] } };

test('StatusManager writes an urgent status at once, a lazy one later, and none twice', async () => {
  const { manager, clock, calls, stop } = setup(pod);
  manager.set(pod, { phase: 'Pending' }, false);
  await clock.advance(10);
  expect(calls).toEqual([]);
  manager.set(pod, { phase: 'Running' }, true);
  await clock.advance(0);
  expect(calls).toEqual(['patch Running']);
  await clock.advance(5_000);
  manager.set(pod, { phase: 'Running' }, true);
  await clock.advance(0);
  expect(calls).toEqual(['patch Running']);
  await stop();
});

test('StatusManager does not hurry to tell of a generation alone', async () => {
  const status = (observedGeneration: number, phase: string): PodStatus => ({
    phase,
    observedGeneration,
    conditions: [{ type: 'Ready', status: 'True', observedGeneration }],
  });
  const { manager, clock, calls, stop } = setup({ ...pod, status: status(1, 'Running') });
  manager.set(pod, status(2, 'Running'), true);
  await clock.advance(500);
  expect(calls).toEqual([]);
  await clock.advance(1_000);
  expect(calls).toHaveLength(1);
  manager.set(pod, status(3, 'Failed'), true);
  await clock.advance(0);
  expect(calls).toHaveLength(2);
  expect(calls.at(-1)).toBe('patch Failed');
  await stop();
});

test('StatusManager tries again until the API answers', async () => {
  const { manager, clock, calls, stop, setFail } = setup(pod);
  setFail(new StatusError('ServiceUnavailable', 503, 'away'));
  manager.set(pod, { phase: 'Running' }, true);
  await clock.advance(150);
  setFail(undefined);
  await clock.advance(1_000);
  expect(calls.length).toBeGreaterThan(1);
  const before = calls.length;
  await clock.advance(60_000);
  expect(calls).toHaveLength(before);
  await stop();
});

test('StatusManager removes a deleted pod once it is finished, after its last status', async () => {
  const deleted: Pod = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  const { manager, clock, calls, stop } = setup(deleted);
  manager.set(deleted, { phase: 'Failed' }, true);
  await clock.advance(0);
  expect(calls).toEqual(['patch Failed']);
  manager.finish('u');
  await clock.advance(0);
  expect(calls).toEqual(['patch Failed', 'delete']);
  await stop();
});

test('StatusManager writes the status of a static pod to its mirror, as soon as there is one', async () => {
  const { manager, clock, calls, stop } = setup(pod);
  const annotations = { 'kubernetes.io/config.source': 'file' };
  const fixed: Pod = { ...pod, metadata: { name: 's', namespace: 'n', uid: 'hash', annotations } };
  const mirror: Pod = { ...fixed, metadata: { ...fixed.metadata, uid: 'mirror', resourceVersion: '9' } };
  manager.podSeen(fixed);
  manager.set(fixed, { phase: 'Running', startTime: '2026-01-02T00:00:00Z' }, true);
  await clock.advance(5_000);
  expect(calls).toEqual([]);
  manager.mirrorSeen('hash', { ...mirror, status: { startTime: '2026-01-01T00:00:00Z' } });
  await clock.advance(0);
  expect(calls).toEqual(['patch Running']);
  expect(manager.current(fixed)?.startTime).toBe('2026-01-01T00:00:00Z');
  manager.mirrorSeen('hash', undefined);
  manager.set(fixed, { phase: 'Failed' }, true);
  await clock.advance(5_000);
  expect(calls).toHaveLength(1);
  await stop();
});
