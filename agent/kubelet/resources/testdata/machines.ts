/** Machines of tests, and pods that ask for parts of them. */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import { cpuSet } from '../../../../machinery/meta/cpu-set.ts';
import type { CpuPlace, MachineTopology } from '../../../../machinery/meta/machine-topology.ts';

export interface MachineShape {
  readonly sockets: number;
  readonly nodesPerSocket: number;
  readonly coresPerNode: number;
  readonly threads: number;
  /** Default: one a node. */
  readonly cachesPerNode?: number;
  readonly bytesPerNode?: number;
}

/** Numbered as Linux does: first one thread of every core, then the others. */
export function machineOf(shape: MachineShape): MachineTopology {
  const { sockets, nodesPerSocket, coresPerNode, threads, cachesPerNode = 1, bytesPerNode = 1000 } = shape;
  const nodeCount = sockets * nodesPerSocket;
  const cores = nodeCount * coresPerNode;
  const cpus: CpuPlace[] = [];
  for (let cpu = 0; cpu < cores * threads; cpu++) {
    const core = cpu % cores;
    const numaNode = Math.floor(core / coresPerNode);
    const perCache = coresPerNode / cachesPerNode;
    cpus.push({
      cpu,
      core,
      socket: Math.floor(numaNode / nodesPerSocket),
      numaNode,
      uncoreCache: numaNode * coresPerNode + Math.floor((core % coresPerNode) / perCache) * perCache,
    });
  }
  const ids = Array.from({ length: nodeCount }, (_, id) => id);
  const nodes = ids.map(id => ({
    id,
    cpus: cpuSet(cpus.filter(place => place.numaNode === id).map(place => place.cpu)),
    memoryBytes: bytesPerNode,
    hugePages: new Map<string, number>(),
    distances: ids.map(other => 10 + 10 * Math.abs(other - id)),
  }));
  return { cpus, nodes };
}

/** Guaranteed, if every container has cpu and memory. */
export function podOf(uid: string, containers: readonly Container[], initContainers: readonly Container[] = []): Pod {
  return {
    metadata: { uid, name: uid, namespace: 'default' },
    spec: { containers: [...containers], initContainers: [...initContainers] },
  };
}

export function containerOf(name: string, limits: Readonly<Record<string, string>>, sidecar = false): Container {
  const resources = { limits: { ...limits }, requests: { ...limits } };
  return { name, resources, ...(sidecar ? { restartPolicy: 'Always' } : {}) };
}
