import { describe, expect, test } from '@jest/globals';
import { formatCpuSet } from '../../../../machinery/meta/cpu-set.ts';
import { withDefaults, type ConfigurationFile } from '../../config/plan/kubelet-configuration.ts';
import { machineOf } from '../testdata/machines.ts';
import {
  cpuPolicyOf,
  memoryKept,
  memoryPolicyOf,
  resourceSettingErrors,
  topologyPolicyOf,
} from './resource-settings.ts';

const machine = machineOf({ sockets: 1, nodesPerSocket: 1, coresPerNode: 2, threads: 2 });
const fixed: ConfigurationFile = { cpuManagerPolicy: 'static', reservedSystemCPUs: '0' };
const errorsOf = (file: ConfigurationFile): string[] =>
  resourceSettingErrors(withDefaults(file)).map(error => String(error));

describe('resourceSettingErrors()', () => {
  test.each<[string, ConfigurationFile]>([
    ['nothing', {}],
    ['the static policy with a reservation', fixed],
    ['one by amount', { cpuManagerPolicy: 'static', kubeReserved: { cpu: '100m' } }],
    [
      'every option that is no longer alpha',
      {
        ...fixed,
        cpuManagerPolicyOptions: {
          'full-pcpus-only': 'true',
          'strict-cpu-reservation': 'true',
          'distribute-cpus-across-numa': 'false',
          'prefer-align-cpus-by-uncorecache': 'true',
        },
      },
    ],
    [
      'options of topology',
      {
        topologyManagerPolicy: 'restricted',
        topologyManagerPolicyOptions: { 'max-allowable-numa-nodes': '16', 'prefer-closest-numa-nodes': 'true' },
      },
    ],
    [
      'reserved memory',
      {
        memoryManagerPolicy: 'Static',
        reservedMemory: [{ numaNode: 0, limits: { memory: '1Gi', 'hugepages-2Mi': '4Mi' } }],
      },
    ],
  ])('takes %s', (_, file) => {
    expect(errorsOf(file)).toEqual([]);
  });

  test.each<[string, ConfigurationFile, string]>([
    ['the static policy without a reservation', { cpuManagerPolicy: 'static' }, 'cpuManagerPolicy: '],
    [
      'an option without the policy',
      { cpuManagerPolicyOptions: { 'full-pcpus-only': 'true' } },
      'cpuManagerPolicyOptions[full-pcpus-only]: ',
    ],
    [
      'an alpha option, by its name',
      { ...fixed, cpuManagerPolicyOptions: { 'align-by-socket': 'true' } },
      'cpuManagerPolicyOptions[align-by-socket]: ',
    ],
    ['an unknown option', { ...fixed, cpuManagerPolicyOptions: { fast: 'true' } }, 'cpuManagerPolicyOptions[fast]: '],
    [
      'an option that is neither true nor false',
      { ...fixed, cpuManagerPolicyOptions: { 'full-pcpus-only': 'yes' } },
      'cpuManagerPolicyOptions[full-pcpus-only]: ',
    ],
    [
      'options that contradict each other',
      {
        ...fixed,
        cpuManagerPolicyOptions: { 'distribute-cpus-across-numa': 'true', 'prefer-align-cpus-by-uncorecache': 'true' },
      },
      'cpuManagerPolicyOptions[prefer-align-cpus-by-uncorecache]: ',
    ],
    [
      'options of topology without a policy',
      { topologyManagerPolicyOptions: { 'prefer-closest-numa-nodes': 'true' } },
      'topologyManagerPolicyOptions[prefer-closest-numa-nodes]: ',
    ],
    [
      'too few nodes',
      { topologyManagerPolicy: 'restricted', topologyManagerPolicyOptions: { 'max-allowable-numa-nodes': '2' } },
      'topologyManagerPolicyOptions[max-allowable-numa-nodes]: ',
    ],
    [
      'reserved memory without the policy',
      { reservedMemory: [{ numaNode: 0, limits: { memory: '1' } }] },
      'reservedMemory: ',
    ],
    [
      'reserved processors as memory',
      { memoryManagerPolicy: 'Static', reservedMemory: [{ numaNode: 0, limits: { cpu: '1' } }] },
      'reservedMemory[0].limits[cpu]: ',
    ],
    [
      'memory reserved twice',
      {
        memoryManagerPolicy: 'Static',
        reservedMemory: [
          { numaNode: 0, limits: { memory: '1' } },
          { numaNode: 0, limits: { memory: '1' } },
        ],
      },
      'reservedMemory[1].limits[memory]: ',
    ],
  ])('refuses %s', (_, file, want) => {
    const errors = errorsOf(file);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(want);
  });
});

describe('on a machine', () => {
  const reserved = (file: ConfigurationFile) => formatCpuSet(cpuPolicyOf(withDefaults(file), machine)?.reserved ?? []);

  test('processors are reserved by number, or so many as the amount takes, core by core', () => {
    expect(reserved(fixed)).toBe('0');
    expect(reserved({ cpuManagerPolicy: 'static', kubeReserved: { cpu: '1200m' } })).toBe('0,2');
    expect(cpuPolicyOf(withDefaults({}), machine)).toBeUndefined();
  });

  test.each<[string, ConfigurationFile, string]>([
    ['it does not have', { ...fixed, reservedSystemCPUs: '0,9' }, 'this machine has CPUs 0-3'],
    ['and no others', { ...fixed, reservedSystemCPUs: '0-3' }, 'leaves pods no CPU to themselves'],
    [
      'by an amount of all',
      { cpuManagerPolicy: 'static', kubeReserved: { cpu: '4' } },
      '4 CPUs are reserved, and this machine has 4',
    ],
  ])('reserving processors %s is refused', (_, file, want) => {
    expect(() => reserved(file)).toThrow(want);
  });

  test('memory that is reserved must add up', () => {
    const policy = (memory: string, numaNode = 0) =>
      memoryPolicyOf(
        withDefaults({ memoryManagerPolicy: 'Static', reservedMemory: [{ numaNode, limits: { memory } }] }),
        machine,
        { memory: '1Gi' },
      );
    expect(policy('1024Mi')?.reserved.get(0)?.get('memory')).toBe(2 ** 30);
    expect(() => policy('512Mi')).toThrow(
      'the total amount "512Mi" of type "memory" is not equal to the value "1Gi" determined by Node Allocatable feature',
    );
    expect(() => policy('1Gi', 3)).toThrow('reservedMemory names NUMA node 3; this machine has 0');
  });

  test('a machine of very many nodes is refused', () => {
    const large = machineOf({ sockets: 9, nodesPerSocket: 1, coresPerNode: 1, threads: 1 });
    expect(() => topologyPolicyOf(withDefaults({ topologyManagerPolicy: 'restricted' }), large)).toThrow(
      'is for up to 8 NUMA nodes; this machine has 9',
    );
    expect(topologyPolicyOf(withDefaults({}), large).name).toBe('none');
  });

  test('memoryKept() leaves huge pages to pods', () => {
    const capacity = { memory: '10Mi', 'hugepages-2Mi': '4Mi' };
    expect(memoryKept(capacity, { memory: '5Mi', 'hugepages-2Mi': '4Mi' })).toEqual({
      memory: '1Mi',
      'hugepages-2Mi': '0',
    });
  });
});
