import { expect, test } from '@jest/globals';
import type { PodSpec } from '../../../proto/api/core-v1.ts';
import type { RuntimeClass } from '../../../proto/api/node-v1.ts';
import { applyRuntimeClass } from './runtime-class.ts';

const sandboxed: RuntimeClass = {
  metadata: { name: 'sandboxed' },
  handler: 'vm',
  overhead: { podFixed: { memory: '64Mi' } },
  scheduling: { nodeSelector: { vm: 'yes' }, tolerations: [{ key: 'vm', operator: 'Exists' }] },
};

test('applyRuntimeClass() gives the pod what the class says', () => {
  const spec: PodSpec = { containers: [], nodeSelector: { disk: 'ssd' }, tolerations: [{ key: 'a' }] };
  expect(applyRuntimeClass(spec, sandboxed)).toBeUndefined();
  expect(spec).toEqual({
    containers: [],
    overhead: { memory: '64Mi' },
    nodeSelector: { disk: 'ssd', vm: 'yes' },
    tolerations: [{ key: 'a' }, { key: 'vm', operator: 'Exists' }],
  });
});

test.each<[string, Partial<PodSpec>, RuntimeClass | undefined, string]>([
  [
    'an overhead of its own',
    { overhead: { cpu: '1' } },
    undefined,
    'Pod Overhead set without corresponding RuntimeClass defined Overhead',
  ],
  [
    'another overhead',
    { overhead: { memory: '1Mi' } },
    sandboxed,
    "Pod's Overhead doesn't match RuntimeClass's defined Overhead",
  ],
  [
    'another selector',
    { nodeSelector: { vm: 'no' } },
    sandboxed,
    'conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no',
  ],
])('applyRuntimeClass() refuses %s', (_name, spec, runtimeClass, problem) => {
  expect(applyRuntimeClass({ containers: [], ...spec }, runtimeClass)).toBe(problem);
});

test('applyRuntimeClass() leaves a pod without class alone', () => {
  const spec: PodSpec = { containers: [] };
  expect(applyRuntimeClass(spec, undefined)).toBeUndefined();
  expect(spec).toEqual({ containers: [] });
});
