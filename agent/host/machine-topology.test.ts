import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hugePageResource, readHugePages, readMachineTopology } from './machine-topology.ts';

let sys: string;
beforeEach(() => {
  sys = mkdtempSync(join(tmpdir(), 'k8ts-sys-'));
});
afterEach(() => rmSync(sys, { recursive: true }));

function write(files: Readonly<Record<string, string | number>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(sys, name)), { recursive: true });
    writeFileSync(join(sys, name), `${text}\n`);
  }
}

const cpu = (id: number, socket: number, siblings: string, cache: string) => ({
  [`devices/system/cpu/cpu${id}/topology/physical_package_id`]: socket,
  [`devices/system/cpu/cpu${id}/topology/thread_siblings_list`]: siblings,
  [`devices/system/cpu/cpu${id}/cache/index0/level`]: 1,
  [`devices/system/cpu/cpu${id}/cache/index0/shared_cpu_list`]: siblings,
  [`devices/system/cpu/cpu${id}/cache/index3/level`]: 3,
  [`devices/system/cpu/cpu${id}/cache/index3/shared_cpu_list`]: cache,
});

describe('readMachineTopology()', () => {
  test('reads sockets, cores, caches, nodes and huge pages', async () => {
    write({
      'devices/system/cpu/online': '0-3',
      ...cpu(0, 0, '0,2', '0,2'),
      ...cpu(1, 1, '1,3', '1,3'),
      ...cpu(2, 0, '0,2', '0,2'),
      ...cpu(3, 1, '1,3', '1,3'),
      'devices/system/node/online': '0-1',
      'devices/system/node/node0/cpulist': '0,2',
      'devices/system/node/node0/meminfo': 'Node 0 MemTotal:       2048 kB',
      'devices/system/node/node0/distance': '10 21',
      'devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages': 3,
      // A processor that is offline is none.
      'devices/system/node/node1/cpulist': '1,3,5',
      'devices/system/node/node1/meminfo': 'Node 1 MemTotal:       1024 kB',
      'devices/system/node/node1/distance': '21 10',
    });
    const { cpus, nodes } = await readMachineTopology(0, sys);
    expect(cpus).toEqual([
      { cpu: 0, core: 0, socket: 0, numaNode: 0, uncoreCache: 0 },
      { cpu: 1, core: 1, socket: 1, numaNode: 1, uncoreCache: 1 },
      { cpu: 2, core: 0, socket: 0, numaNode: 0, uncoreCache: 0 },
      { cpu: 3, core: 1, socket: 1, numaNode: 1, uncoreCache: 1 },
    ]);
    expect(nodes).toEqual([
      {
        id: 0,
        cpus: [0, 2],
        memoryBytes: 2 << 20,
        hugePages: new Map([['hugepages-2Mi', 6 << 20]]),
        distances: [10, 21],
      },
      { id: 1, cpus: [1, 3], memoryBytes: 1 << 20, hugePages: new Map(), distances: [21, 10] },
    ]);
  });

  test('a machine that tells no nodes and no topology has one of all', async () => {
    write({ 'devices/system/cpu/online': '0-1', 'kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages': 2 });
    const { cpus, nodes } = await readMachineTopology(4096, sys);
    expect(cpus.map(place => [place.core, place.socket, place.numaNode, place.uncoreCache])).toEqual([
      [0, 0, 0, 0],
      [1, 0, 0, 1],
    ]);
    expect(nodes).toEqual([
      { id: 0, cpus: [0, 1], memoryBytes: 4096, hugePages: new Map([['hugepages-1Gi', 2 ** 31]]), distances: [10] },
    ]);
  });

  test('this machine has what the kernel says', async () => {
    const { cpus, nodes } = await readMachineTopology(1);
    expect(cpus.length).toBeGreaterThan(0);
    expect(nodes.flatMap(node => node.cpus)).toHaveLength(cpus.length);
  });
});

test('readHugePages() is empty where the kernel has none', async () => {
  expect(await readHugePages(sys)).toEqual(new Map());
});

test.each([
  ['hugepages-64kB', 'hugepages-64Ki'],
  ['hugepages-2048kB', 'hugepages-2Mi'],
  ['hugepages-1048576kB', 'hugepages-1Gi'],
  ['other', undefined],
])('hugePageResource() %s is %s', (folder, want) => {
  expect(hugePageResource(folder)?.name).toBe(want);
});
