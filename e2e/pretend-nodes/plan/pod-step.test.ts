import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { endedStatus, keptOfPod, nextStep, runningStatus } from './pod-step.ts';

const NOW = Date.UTC(2026, 0, 1);

function pod(more: { metadata?: object; spec?: object; status?: object } = {}): Pod {
  return {
    metadata: { namespace: 'default', name: 'web', uid: 'u1', ...more.metadata },
    spec: { nodeName: 'pretend-0', containers: [{ name: 'main', image: 'pause' }], ...more.spec },
    status: { phase: 'Pending', ...more.status },
  };
}

const READY = [{ type: 'Ready', status: 'True' }];
const gate = { spec: { readinessGates: [{ conditionType: 'gate' }] } };

describe('nextStep()', () => {
  test.each([
    ['starts what waits', pod(), 'start'],
    ['leaves what runs', pod({ status: { phase: 'Running', conditions: READY } }), 'none'],
    ['leaves what ended', pod({ status: { phase: 'Succeeded' } }), 'none'],
    ['stops what was deleted', pod({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }), 'stop'],
    ['leaves what waits for its gate', pod({ ...gate, status: { phase: 'Running' } }), 'none'],
    [
      'makes ready what has its gate open',
      pod({ ...gate, status: { phase: 'Running', conditions: [{ type: 'gate', status: 'True' }] } }),
      'start',
    ],
  ])('%s', (_name, given, kind) => {
    expect(nextStep(keptOfPod(given)).kind).toBe(kind);
  });

  test('ends what asked for it, so long after its start', () => {
    const annotations = { 'pretend-nodes/run-seconds': '5' };
    const status = { phase: 'Running', startTime: '2026-01-01T00:00:00Z', conditions: READY };
    expect(nextStep(keptOfPod(pod({ metadata: { annotations }, status })))).toEqual({ kind: 'end', atMs: NOW + 5000 });
  });
});

describe('statuses', () => {
  test('a pod that runs has its own address, one in the host network its node’s', () => {
    expect(runningStatus(pod(), '10.128.0.1', '198.18.0.1', NOW)).toMatchObject({
      phase: 'Running',
      podIP: '10.128.0.1',
      hostIP: '198.18.0.1',
    });
    const host = pod({ spec: { hostNetwork: true } });
    expect(runningStatus(host, '10.128.0.1', '198.18.0.1', NOW).podIPs).toEqual([{ ip: '198.18.0.1' }]);
  });

  test.each([
    ['by itself', {}, false, 'Succeeded', 0],
    ['by itself, with the code it asked for', { 'pretend-nodes/exit-code': '3' }, false, 'Failed', 3],
    ['killed', {}, true, 'Failed', 137],
  ])('a pod that ended %s says so', (_name, annotations, killed, phase, exitCode) => {
    const status = endedStatus(pod({ metadata: { annotations } }), killed, NOW);
    expect(status.phase).toBe(phase);
    expect(status.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(exitCode);
  });
});
