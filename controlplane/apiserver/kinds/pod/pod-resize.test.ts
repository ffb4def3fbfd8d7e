import { expect, test } from '@jest/globals';
import { deepCopy } from '../../../../machinery/meta/json-value.ts';
import { qosClassOf } from '../../../../machinery/meta/pod-resources.ts';
import type { Container, Pod, ResourceRequirements } from '../../../../proto/api/core-v1.ts';
import { podStrategy } from './pod.ts';
import { podResize } from './pod-resize.ts';

const CONTEXT = { nowMs: 0, user: { name: 'u', groups: [] }, dryRun: false };
const BURSTABLE: ResourceRequirements = { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '2Gi' } };

function container(name: string, resources: ResourceRequirements, more: Partial<Container> = {}): Container {
  return { name, image: 'registry.example/app:1', resources, ...more };
}

function running(spec: Partial<Pod['spec']> = {}): Pod {
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'default', labels: { a: 'b' } },
    spec: { containers: [container('c', BURSTABLE)], ...spec },
  };
  podStrategy.default?.(pod);
  pod.status = { qosClass: qosClassOf(pod) };
  return pod;
}

/** What a request that puts `change` into effect is answered, and the pod that it leaves. */
function resize(older: Pod, change: (pod: Pod) => void): { pod: Pod; errors: string[] } {
  const pod = deepCopy(older);
  change(pod);
  podStrategy.default?.(pod);
  podResize.prepareForUpdate(pod, older, CONTEXT);
  return { pod, errors: (podResize.validateUpdate?.(pod, older) ?? []).map(String) };
}

const first = (pod: Pod): Container => pod.spec.containers[0] as Container;

test('a resize changes amounts and resize policies, and nothing else', () => {
  const older = running();
  const { pod, errors } = resize(older, next => {
    Object.assign(first(next), {
      image: 'other',
      resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
    });
    first(next).resources = { requests: { cpu: '2', memory: '1Gi' }, limits: { memory: '1Gi' } };
    next.metadata.labels = {};
    next.spec.nodeName = 'elsewhere';
  });
  expect(first(pod)).toEqual({
    ...first(older),
    resources: { requests: { cpu: '2', memory: '1Gi' }, limits: { memory: '1Gi' } },
    resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
  });
  expect([pod.metadata.labels, pod.spec.nodeName]).toEqual([{ a: 'b' }, undefined]);
  // Other resize policies are taken by no pod that exists.
  expect(errors).toEqual(['spec: Forbidden: only cpu and memory resources are mutable']);
});

const sidecar = container('s', { requests: { cpu: '1' } }, { restartPolicy: 'Always' });
const init = container('i', { requests: { cpu: '1' } });
const FORBIDDEN = 'spec: Forbidden:';

test.each<[string, Partial<Pod['spec']>, (pod: Pod) => void, string[]]>([
  ['nothing', {}, () => {}, []],
  ['more cpu', {}, pod => (first(pod).resources = { ...BURSTABLE, requests: { cpu: '2', memory: '1Gi' } }), []],
  ['less memory', {}, pod => (first(pod).resources = { ...BURSTABLE, limits: { memory: '1Gi' } }), []],
  ['a new limit', {}, pod => (first(pod).resources = { ...BURSTABLE, limits: { memory: '2Gi', cpu: '2' } }), []],
  [
    'a sidecar',
    { initContainers: [sidecar] },
    pod => Object.assign(pod.spec.initContainers?.[0] ?? {}, { resources: { requests: { cpu: '2' } } }),
    [],
  ],
  [
    'an init container',
    { initContainers: [init] },
    pod => Object.assign(pod.spec.initContainers?.[0] ?? {}, { resources: { requests: { cpu: '2' } } }),
    [`${FORBIDDEN} resources for non-sidecar init containers are immutable`],
  ],
  [
    'a limit removed',
    {},
    pod => (first(pod).resources = { requests: { cpu: '1', memory: '1Gi' } }),
    ['spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed'],
  ],
  [
    'a request removed',
    {},
    pod => (first(pod).resources = { requests: { memory: '1Gi' }, limits: { memory: '2Gi' } }),
    ['spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed'],
  ],
  [
    'another resource',
    {},
    pod => (first(pod).resources = { ...BURSTABLE, requests: { cpu: '1', memory: '1Gi', 'ephemeral-storage': '1Gi' } }),
    [`${FORBIDDEN} only cpu and memory resources are mutable`],
  ],
  [
    'another class',
    {},
    pod => (first(pod).resources = { requests: { cpu: '1', memory: '2Gi' }, limits: { cpu: '1', memory: '2Gi' } }),
    ['spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'],
  ],
  [
    'a request over its limit',
    {},
    pod => (first(pod).resources = { requests: { cpu: '1', memory: '3Gi' }, limits: { memory: '2Gi' } }),
    ['spec.containers[0].resources.requests: Invalid value: "3Gi": must be less than or equal to memory limit of 2Gi'],
  ],
  [
    'one container more',
    {},
    pod => pod.spec.containers.push(container('d', {})),
    ['spec.containers: Forbidden: containers may not be added or removed on resize'],
  ],
  [
    'another name',
    {},
    pod => (first(pod).name = 'd'),
    ['spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize'],
  ],
  [
    'the pod as a whole',
    { resources: { requests: { cpu: '4' } } },
    pod => (pod.spec.resources = { requests: { cpu: '5' } }),
    [],
  ],
  [
    'the pod as a whole no more',
    { resources: { requests: { cpu: '4' } } },
    pod => void delete pod.spec.resources,
    ['spec.resources.requests: Forbidden: resource requests cannot be removed'],
  ],
  ['a pod of Windows', { os: { name: 'windows' } }, () => {}, [': Forbidden: windows pods cannot be resized']],
])('podResize.validateUpdate(): %s', (_name, spec, change, want) => {
  expect(resize(running(spec), change).errors).toEqual(want);
});

test('a pod whose node does not tell what it gave is not resized', () => {
  const older = running();
  older.status = { ...older.status, containerStatuses: [{ name: 'c', state: { running: {} } } as never] };
  expect(resize(older, () => {}).errors).toEqual([`${FORBIDDEN} Pod running on node without support for resize`]);
});
