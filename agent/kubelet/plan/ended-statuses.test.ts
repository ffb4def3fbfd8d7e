import { describe, expect, test } from '@jest/globals';
import type { ContainerState, ContainerStatus, Pod } from '../../../proto/api/core-v1.ts';
import { endedStatuses, LOST } from './ended-statuses.ts';

const waiting: ContainerState = { waiting: { reason: 'PodInitializing' } };
const done: ContainerState = { terminated: { exitCode: 0, reason: 'Completed' } };
const failed: ContainerState = { terminated: { exitCode: 1, reason: 'Error' } };
const running: ContainerState = { running: {} };
const lost: ContainerState = { terminated: LOST };

const status = (name: string, state: ContainerState, over: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  state,
  lastState: {},
  ready: false,
  restartCount: 0,
  image: '',
  imageID: '',
  ...over,
});
const statuses = (prefix: string, states: readonly ContainerState[]): ContainerStatus[] =>
  states.map((state, index) => status(`${prefix}${index}`, state));
const pod = (inits: number): Pod => ({
  metadata: {},
  spec: {
    initContainers: Array.from({ length: inits }, (_, index) => ({ name: `i${index}` })),
    containers: [{ name: 'c0' }],
  },
});

describe('endedStatuses()', () => {
  test.each([
    ['never started', [], [waiting], [], [lost]],
    ['back-off of its image', [], [{ waiting: { reason: 'ImagePullBackOff' } }], [], [lost]],
    ['some ran', [], [done, waiting], [], [done, lost]],
    ['nothing of its init containers ran', [waiting, waiting], [waiting], [lost, waiting], [waiting]],
    ['the second init container failed', [done, failed, waiting], [waiting], [done, failed, waiting], [waiting]],
    ['an init container vanished', [running, waiting], [waiting], [lost, waiting], [waiting]],
    ['all init containers are done', [done], [waiting], [done], [lost]],
    ['its containers ran', [waiting], [failed, waiting], [lost], [failed, lost]],
  ] as const)('of a pod of which %s', (_name, inits, mains, wantInits, wantMains) => {
    const after = endedStatuses(pod(inits.length), statuses('i', inits), statuses('c', mains));
    expect(after.initStatuses.map(each => each.state)).toEqual(wantInits);
    expect(after.mainStatuses.map(each => each.state)).toEqual(wantMains);
  });

  test('what ran before was reached, and stays told', () => {
    const before = status('c0', waiting, { lastState: failed, containerID: 'containerd://x', ready: true });
    const [after] = endedStatuses(pod(1), statuses('i', [done]), [before]).mainStatuses;
    const state = { terminated: { ...LOST, containerID: 'containerd://x' } };
    expect(after).toMatchObject({ ready: false, started: false, state, lastState: failed });
  });
});
