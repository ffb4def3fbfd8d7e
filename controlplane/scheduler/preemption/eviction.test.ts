import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../../machinery/process/testdata/eventually.ts';
import { pods, priorityClasses } from '../../../machinery/client/resource.ts';
import { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import type { Pod, PodSpec } from '../../../proto/api/core-v1.ts';
import { OneScheduler } from '../testdata/one-scheduler.ts';

let one: OneScheduler;
beforeEach(async () => {
  one = await OneScheduler.serve();
  const classes = { slight: 5, high: 10, highest: 1000 };
  for (const [name, value] of Object.entries(classes))
    await one.client.of(priorityClasses).create({ metadata: { name }, value });
});
afterEach(() => one.close());

const bound = (name: string): Promise<string> => eventually(`${name} is bound`, () => one.nodeOf(name));
const look = (name: string): Promise<Pod> => one.client.of(pods).get({ namespace: one.namespace, name });
const important: Partial<PodSpec> = { priorityClassName: 'highest' };

/** Ends pods that are being deleted, as a kubelet does. */
async function finish(name: string): Promise<void> {
  await one.client.of(pods).delete({ namespace: one.namespace, name }, { gracePeriodSeconds: 0 });
}

describe('preemption on the real API server', () => {
  test('victims are told, go with their grace period, and the pod comes where they were', async () => {
    const metrics = new MetricsRegistry();
    await one.node('a', '2');
    one.run({ metrics });
    await one.pod('low', '1');
    await one.pod('mid', '1', { priorityClassName: 'slight' });
    await Promise.all(['low', 'mid'].map(bound));
    await one.pod('high', '1', important);
    const victim = await eventually('low goes', async () => {
      const pod = await look('low');
      return pod.metadata.deletionTimestamp === undefined ? undefined : pod;
    });
    expect(victim.status?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'PreemptionByScheduler',
        message: 'default-scheduler: preempting to accommodate a higher priority pod',
      }),
    );
    const waiting = await eventually('high has a place', async () => {
      const pod = await look('high');
      return pod.status?.nominatedNodeName === 'a' ? pod : undefined;
    });
    expect(one.told).toContain(`low: Preempted: Preempted by pod ${waiting.metadata.uid} on node a`);
    // Nobody of lower rank takes the place meanwhile, and nobody else goes for it.
    await one.pod('other', '1', { priorityClassName: 'slight' });
    await eventually('other waits', () => one.waitsFor('other'));
    expect((await look('mid')).metadata.deletionTimestamp).toBeUndefined();
    await finish('low');
    expect(await bound('high')).toBe('a');
    expect(metrics.render()).toContain('scheduler_preemption_victims_sum 1');
    expect(metrics.render()).toMatch(/scheduler_preemption_attempts_total [1-9]/);
  });

  test('a more important pod takes the room that was made for another, which is told', async () => {
    await one.node('a', '1');
    one.run();
    await one.pod('low', '1');
    await bound('low');
    await one.pod('first', '1', { priorityClassName: 'high' });
    await eventually('first has a place', async () => (await look('first')).status?.nominatedNodeName);
    await one.pod('second', '1', important);
    await eventually('second waits', () => one.waitsFor('second'));
    await finish('low');
    expect(await bound('second')).toBe('a');
    expect(await one.nodeOf('first')).toBe('');
  });

  test('a pod that can have no room is told so, and its old hope is taken back', async () => {
    await one.node('a', '1');
    await one.pod('hopeful', '2', important);
    const ref = { namespace: one.namespace, name: 'hopeful' };
    const status = { nominatedNodeName: 'a' };
    await one.client.of(pods).patch(ref, { status }, { type: 'merge', subresource: 'status' });
    one.run();
    expect(await eventually('hopeful waits', () => one.waitsFor('hopeful'))).toBe(
      'Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
    );
    await eventually('its hope is gone', async () =>
      (await look('hopeful')).status?.nominatedNodeName === undefined ? true : undefined,
    );
  });
});
