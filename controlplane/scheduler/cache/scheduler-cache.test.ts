import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Node, Pod, PodSpec } from '../../../proto/api/core-v1.ts';
import { SchedulerCache } from './scheduler-cache.ts';
import { interleaveByZone } from './zone-order.ts';

const ZONE = 'topology.kubernetes.io/zone';

function node(name: string, zone = '', images: string[] = []): Node {
  return {
    metadata: { name, labels: zone === '' ? {} : { [ZONE]: zone } },
    spec: {},
    status: { allocatable: { cpu: '4' }, images: images.map(image => ({ names: [image], sizeBytes: 1 })) },
  };
}

const apart: PodSpec['affinity'] = {
  podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname' }] },
};

function pod(uid: string, spec: Partial<PodSpec> = {}): Pod {
  const containers = [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }];
  return { metadata: { name: uid, namespace: 'ns', uid }, spec: { containers, ...spec } };
}

const names = (nodes: Iterable<{ name: string }>): string[] => Array.from(nodes, ({ name }) => name);

describe('SchedulerCache', () => {
  test('nodes of different zones take turns', () => {
    const infos = ['a1', 'a2', 'a3', 'b1', 'c1', 'c2'].map(name => ({ name, node: node(name, name[0]) }));
    expect(names(interleaveByZone(infos))).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
  });

  test('an assumed pod counts at once, is confirmed by the API, and taken back only as long as it is not', () => {
    const cache = new SchedulerCache();
    cache.setNode(node('a'));
    cache.assume(pod('p'), 'a');
    expect(cache.node('a')?.requested.cpuMillis).toBe(1000);
    expect(cache.size).toEqual({ nodes: 1, pods: 1, assumedPods: 1 });
    expect(cache.forget('p')).toBe(true);
    expect(cache.node('a')?.requested.cpuMillis).toBe(0);
    cache.assume(pod('p'), 'a');
    cache.setPod(pod('p'), 'a');
    expect(cache.forget('p')).toBe(false);
    expect(cache.node('a')?.requested.cpuMillis).toBe(1000);
    // Somebody else bound it elsewhere.
    cache.setPod(pod('p'), 'b');
    expect(cache.node('a')?.requested.cpuMillis).toBe(0);
  });

  test('pods wait for their node, and stay while it is away', () => {
    const cache = new SchedulerCache();
    cache.setPod(pod('p'), 'a');
    cache.setNode(node('a'));
    expect(cache.node('a')?.pods.size).toBe(1);
    cache.removeNode('a');
    expect(cache.nodes).toEqual([]);
    cache.setNode(node('a'));
    expect(cache.node('a')?.requested.cpuMillis).toBe(1000);
    cache.removeNode('a');
    cache.removePod('p');
    cache.setNode(node('a'));
    expect(cache.node('a')?.pods.size).toBe(0);
  });

  test('what changed is found without looking at the rest; a label moves nodes, a heartbeat does not', () => {
    const cache = new SchedulerCache();
    for (const name of ['a', 'b', 'c']) cache.setNode(node(name, name));
    const before = cache.generation;
    const { topologyGeneration } = cache;
    cache.assume(pod('p'), 'b');
    cache.setNode(node('a', 'a'));
    expect(names(cache.changedSince(before))).toEqual(['a', 'b']);
    expect(cache.topologyGeneration).toBe(topologyGeneration);
    cache.setNode(node('a', 'z'));
    expect(cache.topologyGeneration).toBeGreaterThan(topologyGeneration);
    expect(names(cache.changedSince(cache.generation))).toEqual([]);
  });

  test('after any history it is as if it had been filled just now', () => {
    const step = fc.record({
      what: fc.constantFrom('node', 'noNode', 'assume', 'bound', 'forget', 'gone'),
      node: fc.constantFrom('a', 'b', 'c'),
      pod: fc.nat(4),
      image: fc.constantFrom('x', 'y'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const cache = new SchedulerCache();
        const nodes = new Map<string, Node>();
        const placed = new Map<string, { pod: Pod; on: string; isAssumed: boolean }>();
        let seen = 0;
        const known = new Map<string, number>();
        for (const { what, node: on, pod: which, image } of steps) {
          const uid = `p${which}`;
          const volumes = which === 1 ? [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] : undefined;
          const subject = pod(uid, { volumes, ...(which === 2 ? { affinity: apart } : {}) });
          if (what === 'node') nodes.set(on, node(on, image, [image]));
          if (what === 'noNode') nodes.delete(on);
          if (what === 'assume' || what === 'bound')
            placed.set(uid, { pod: subject, on, isAssumed: what === 'assume' });
          if (what === 'gone' || (what === 'forget' && placed.get(uid)?.isAssumed === true)) placed.delete(uid);
          if (what === 'node') cache.setNode(node(on, image, [image]));
          if (what === 'noNode') cache.removeNode(on);
          if (what === 'assume') cache.assume(subject, on);
          if (what === 'bound') cache.setPod(subject, on);
          if (what === 'forget') cache.forget(uid);
          if (what === 'gone') cache.removePod(uid);
          // Whoever follows the changes knows what there is.
          for (const info of cache.changedSince(seen)) known.set(info.name, info.pods.size);
          seen = cache.generation;
        }
        const fresh = new SchedulerCache();
        for (const each of nodes.values()) fresh.setNode(each);
        for (const { pod: each, on } of placed.values()) fresh.setPod(each, on);
        const look = (of: SchedulerCache): unknown => ({
          nodes: of.nodes
            .map(info => [info.name, [...info.pods.keys()].sort(), info.requested.cpuMillis, [...info.claimUsers]])
            .sort(),
          affinity: names(of.nodesWithAffinity).sort(),
          apart: names(of.nodesWithRequiredAntiAffinity).sort(),
          users: of.claimUsers('ns', 'data'),
          images: ['x', 'y'].map(name => of.nodesWithImage(name)),
        });
        expect(look(cache)).toEqual(look(fresh));
        for (const info of cache.nodes) expect(known.get(info.name)).toBe(info.pods.size);
      }),
      { numRuns: 100 },
    );
  });
});
