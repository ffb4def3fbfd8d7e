/** Pods that wait are tried again for what they wait for, in whatever way it happens. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../../machinery/process/testdata/eventually.ts';
import { pods } from '../../machinery/client/resource.ts';
import type { PodSpec, PodStatus } from '../../proto/api/core-v1.ts';
import type { Handle } from './framework/handle.ts';
import type { WaitingPod } from './framework/waiting-pods.ts';
import { defaultProfile } from './plugins/default-profile.ts';
import { pluginRegistry } from './plugins/registry.ts';
import { OneScheduler } from './testdata/one-scheduler.ts';

let one: OneScheduler;
beforeEach(async () => (one = await OneScheduler.serve()));
afterEach(() => one.close());

const bound = (name: string): Promise<string> => eventually(`${name} is bound`, () => one.nodeOf(name));
const waits = (name: string): Promise<string> => eventually(`${name} waits`, () => one.waitsFor(name));
const status = (name: string, changed: Partial<Record<keyof PodStatus, unknown>>) =>
  one.client
    .of(pods)
    .patch({ namespace: one.namespace, name }, { status: changed }, { type: 'merge', subresource: 'status' });
const labelled = (name: string, labels: Record<string, string>, spec: Partial<PodSpec>) =>
  one.client.of(pods).create({
    metadata: { name, namespace: one.namespace, labels },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  });

const onPort: Partial<PodSpec> = {
  containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 8080 }] }],
};
const alone: Partial<PodSpec> = {
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'alone' } } },
      ],
    },
  },
};

/** A scheduler whose pods called `held` wait for permission. @returns one that waits */
function holding(): () => Promise<WaitingPod> {
  let handle: Handle | undefined;
  const profile = { ...defaultProfile, multiPoint: [...defaultProfile.multiPoint, { name: 'Holds' }] };
  const registry = new Map(pluginRegistry).set('Holds', (_args, given) => {
    handle = given;
    return {
      name: 'Holds',
      permit: (_state, { metadata }) => (metadata.name === 'held' ? { waitMs: 600_000 } : 'allow'),
      eventsToRegister: () => [],
    };
  });
  one.run({ profiles: [profile], registry });
  return () => eventually('it waits for permission', () => handle?.waitingPods.list()[0]);
}

test.each<[string, Partial<PodSpec>, RegExp]>([
  ['host port', onPort, /free ports/],
  ['solitude', alone, /anti-affinity/],
])('a pod that ends gives back its %s', async (_what, spec, why) => {
  await one.node('a');
  one.run();
  await labelled('first', { app: 'alone' }, spec);
  await bound('first');
  await labelled('second', { app: 'alone' }, spec);
  expect(await waits('second')).toMatch(why);
  await status('first', { phase: 'Succeeded' });
  expect(await bound('second')).toBe('a');
});

test('a pod that was on its way and is not let on to its node leaves others alone again', async () => {
  await one.node('a');
  const held = holding();
  await labelled('held', { app: 'alone' }, alone);
  const waiting = await held();
  await labelled('second', { app: 'alone' }, alone);
  expect(await waits('second')).toMatch(/anti-affinity/);
  waiting.reject('Holds', 'not today');
  expect(await bound('second')).toBe('a');
});

test('a pod that is being deleted waits for permission no more', async () => {
  await one.node('a', '1');
  const held = holding();
  await one.pod('held');
  await held();
  const ref = { namespace: one.namespace, name: 'held' };
  const finalizers = { metadata: { finalizers: ['example.com/stays'] } };
  await one.client.of(pods).patch(ref, finalizers, { type: 'merge' });
  await one.client.of(pods).delete(ref);
  await one.pod('second');
  expect(await bound('second')).toBe('a');
  expect(await one.nodeOf('held')).toBe('');
});

test('a pod on its way to the node where room was made for it counts there once', async () => {
  await one.node('a', '2');
  const held = holding();
  await one.pod('held');
  await held();
  await status('held', { nominatedNodeName: 'a' });
  await one.pod('second');
  expect(await bound('second')).toBe('a');
});

test('room that is kept for a pod no more is others’', async () => {
  await one.node('a', '1');
  one.run();
  await one.pod('hopeful', '1', { nodeSelector: { nowhere: 'yet' } });
  await waits('hopeful');
  await status('hopeful', { nominatedNodeName: 'a' });
  await one.pod('second');
  expect(await waits('second')).toMatch(/Insufficient cpu/);
  await status('hopeful', { nominatedNodeName: null });
  expect(await bound('second')).toBe('a');
});
