import { describe, expect, test } from '@jest/globals';
import { withDefaults } from '../../config/plan/kubelet-configuration.ts';
import { nodeAllocatable, podsShare, reservationProblem } from './node-allocatable.ts';

describe('nodeAllocatable()', () => {
  const capacity = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '100Gi', pods: '110', 'hugepages-2Mi': '1Gi' };
  const configuration = withDefaults({
    kubeReserved: { cpu: '250m', memory: '512Mi', pid: '1000' },
    systemReserved: { cpu: '250m', 'ephemeral-storage': '1Gi' },
    evictionHard: { 'memory.available': '512Mi', 'nodefs.available': '10%', 'imagefs.available': '50%' },
    evictionSoft: { 'memory.available': '4Gi' },
    evictionSoftGracePeriod: { 'memory.available': '1m' },
  });

  test('takes off what is reserved, what hard thresholds keep free, and huge pages of memory', () => {
    expect(nodeAllocatable(capacity, configuration)).toEqual({
      cpu: '3500m',
      memory: '6Gi',
      'ephemeral-storage': '89Gi',
      pods: '110',
      'hugepages-2Mi': '1Gi',
    });
  });

  test('never falls below nothing; reserved processors count by number', () => {
    const greedy = withDefaults({ kubeReserved: { memory: '9Gi', cpu: '1' }, reservedSystemCPUs: '0,2-3' });
    expect(nodeAllocatable(capacity, greedy)).toMatchObject({ memory: '0', cpu: '1' });
    expect(reservationProblem(capacity, greedy)).toContain('(memory: 9316Mi of 8Gi); reserve less');
    expect(reservationProblem(capacity, configuration)).toBeUndefined();
  });

  test('podsShare() leaves room for eviction to act, and all where pods are not held', () => {
    const share = podsShare({ ...capacity, pid: '32768' }, configuration);
    expect(share.get('memory')?.toString()).toBe('6656Mi');
    expect(share.get('pid')?.value()).toBe(31_768);
    const free = withDefaults({ ...configuration, enforceNodeAllocatable: ['none'] } as object);
    expect(podsShare(capacity, free).get('memory')?.toString()).toBe('8Gi');
  });
});
