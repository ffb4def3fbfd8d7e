/**
 * How much of the node's swap a container may use. Pure.
 * Source: kubernetes 1.36 `pkg/kubelet/kuberuntime/kuberuntime_container_linux.go`, configureContainerSwapResources; KEP-2400.
 */
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import { qosClassOf } from '../../../machinery/meta/pod-resources.ts';
import { tryParseQuantity } from '../../../machinery/meta/quantity.ts';
import type { LinuxContainerResources } from '../../../proto/cri/runtime.gen.ts';
import { isCriticalPod } from './critical-pod.ts';

/** What the node has, and how its configuration has it shared. */
export interface NodeSwap {
  /** `memorySwap.swapBehavior`; '' is NoSwap. */
  readonly behavior: string;
  readonly swapBytes: number;
  readonly memoryBytes: number;
}

/** @param node undefined where control groups do not limit swap: then nothing can be said */
export function swapResources(
  pod: Pod,
  container: Container,
  node: NodeSwap | undefined,
): Pick<LinuxContainerResources, 'unified'> {
  return node === undefined ? {} : { unified: { 'memory.swap.max': String(swapBytes(pod, container, node)) } };
}

/** Burstable pods get the part of the swap that their memory request is of the memory; nobody else gets any. */
export function swapBytes(pod: Pod, container: Container, node: NodeSwap): number {
  if (node.behavior !== 'LimitedSwap' || qosClassOf(pod) !== 'Burstable' || isCriticalPod(pod)) return 0;
  const { requests, limits } = container.resources ?? {};
  const [request, limit] = [bytesOf(requests?.['memory']), bytesOf(limits?.['memory'])];
  if (request === 0 || request === limit) return 0;
  return Math.floor((request / node.memoryBytes) * node.swapBytes);
}

function bytesOf(text: string | undefined): number {
  return (text === undefined ? undefined : tryParseQuantity(text)?.value()) ?? 0;
}

/** Why a host cannot do what `memorySwap.swapBehavior` asks; undefined: it can. */
export function swapRefusal(behavior: string, shape: 'v1' | 'v2' | 'hybrid'): string | undefined {
  if (behavior !== 'LimitedSwap' || shape === 'v2') return undefined;
  return `memorySwap.swapBehavior: LimitedSwap needs control groups v2, and this host has ${shape}; boot it with systemd.unified_cgroup_hierarchy=1, or set NoSwap`;
}
