/**
 * Reads from /sys how processors, caches, memory and huge pages lie to each other.
 * Source: kernel documentation, ABI/stable/sysfs-devices-node, ABI/stable/sysfs-devices-system-cpu, mm/hugetlbpage.
 */
import { readdir, readFile } from 'node:fs/promises';
import { cpuSet, parseCpuSet, type CpuSet } from '../../machinery/meta/cpu-set.ts';
import type { CpuPlace, MachineTopology, NumaNode } from '../../machinery/meta/machine-topology.ts';

/**
 * A machine without NUMA nodes in /sys has one that holds everything.
 * @param sys where sysfs is mounted
 * @param memoryBytes of the whole machine
 * @throws the file system's error if not even the processors can be read
 */
export async function readMachineTopology(memoryBytes: number, sys = '/sys'): Promise<MachineTopology> {
  const online = parseCpuSet(await readFile(`${sys}/devices/system/cpu/online`, 'utf8'));
  const nodes = await readNodes(sys, online, memoryBytes);
  const nodeOf = new Map(nodes.flatMap(node => node.cpus.map(cpu => [cpu, node.id] as const)));
  const cpus = await Promise.all(online.map(cpu => readPlace(sys, cpu, nodeOf.get(cpu) ?? nodes[0]?.id ?? 0)));
  return { cpus, nodes };
}

/**
 * Bytes that the machine keeps as huge pages, by resource name; a size that it knows and keeps none of has 0.
 * @returns empty for a kernel without huge pages
 */
export async function readHugePages(sys = '/sys'): Promise<Map<string, number>> {
  return pagesIn(`${sys}/kernel/mm/hugepages`);
}

/** `hugepages-2048kB` of the kernel as Kubernetes calls it: `hugepages-2Mi`; undefined for what is no such name. */
export function hugePageResource(folder: string): { readonly name: string; readonly pageBytes: number } | undefined {
  const match = /^hugepages-(\d+)kB$/.exec(folder);
  if (match === null) return undefined;
  const kilobytes = Number(match[1]);
  const units = ['Ki', 'Mi', 'Gi'];
  let amount = kilobytes;
  let unit = 0;
  while (amount >= 1024 && amount % 1024 === 0 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return { name: `hugepages-${amount}${units[unit] ?? ''}`, pageBytes: kilobytes * 1024 };
}

async function readPlace(sys: string, cpu: number, numaNode: number): Promise<CpuPlace> {
  const folder = `${sys}/devices/system/cpu/cpu${cpu}`;
  const [siblings, socket, cache] = await Promise.all([
    readSet(`${folder}/topology/thread_siblings_list`),
    readNumber(`${folder}/topology/physical_package_id`),
    lastLevelCache(folder),
  ]);
  return {
    cpu,
    core: siblings?.[0] ?? cpu,
    // Virtual machines may say -1.
    socket: Math.max(0, socket ?? 0),
    numaNode,
    uncoreCache: cache?.[0] ?? siblings?.[0] ?? cpu,
  };
}

/** Who shares the cache of the highest level, if it is at least the third: smaller ones belong to a core. */
async function lastLevelCache(folder: string): Promise<CpuSet | undefined> {
  const indexes = (await readdir(`${folder}/cache`).catch(() => [])).filter(name => name.startsWith('index'));
  const caches = await Promise.all(
    indexes.map(async index => ({
      level: (await readNumber(`${folder}/cache/${index}/level`)) ?? 0,
      cpus: await readSet(`${folder}/cache/${index}/shared_cpu_list`),
    })),
  );
  const last = caches.reduce((a, b) => (b.level > a.level ? b : a), { level: 2, cpus: undefined });
  return last.cpus;
}

async function readNodes(sys: string, online: CpuSet, memoryBytes: number): Promise<NumaNode[]> {
  const root = `${sys}/devices/system/node`;
  const ids = (await readSet(`${root}/online`)) ?? [];
  const nodes = await Promise.all(
    ids.map(async (id): Promise<NumaNode> => {
      const folder = `${root}/node${id}`;
      const [cpus, meminfo, distance, hugePages] = await Promise.all([
        readSet(`${folder}/cpulist`),
        readText(`${folder}/meminfo`),
        readText(`${folder}/distance`),
        pagesIn(`${folder}/hugepages`),
      ]);
      const kilobytes = /MemTotal:\s+(\d+) kB/.exec(meminfo)?.[1];
      return {
        id,
        cpus: cpuSet((cpus ?? []).filter(cpu => online.includes(cpu))),
        memoryBytes: kilobytes === undefined ? 0 : Number(kilobytes) * 1024,
        hugePages,
        distances: distance.split(/\s+/).filter(Boolean).map(Number),
      };
    }),
  );
  const [first, ...others] = nodes;
  // One node has all there is: memory that was added later is not always counted with it.
  if (first !== undefined) return others.length > 0 ? nodes : [{ ...first, memoryBytes }];
  return [{ id: 0, cpus: online, memoryBytes, hugePages: await readHugePages(sys), distances: [10] }];
}

async function pagesIn(folder: string): Promise<Map<string, number>> {
  const pages = new Map<string, number>();
  for (const entry of (await readdir(folder).catch(() => [])).sort()) {
    const resource = hugePageResource(entry);
    if (resource === undefined) continue;
    const count = (await readNumber(`${folder}/${entry}/nr_hugepages`)) ?? 0;
    pages.set(resource.name, count * resource.pageBytes);
  }
  return pages;
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

async function readSet(path: string): Promise<CpuSet | undefined> {
  const text = await readText(path);
  return text.trim() === '' ? undefined : parseCpuSet(text);
}

async function readNumber(path: string): Promise<number | undefined> {
  const text = (await readText(path)).trim();
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}
