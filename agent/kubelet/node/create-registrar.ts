/** Puts together what a node says of itself: facts of the machine and the configuration, and who looks at the rest. */
import type { Node } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { maxPodsOf } from '../config/plan/policies.ts';
import { nodeAllocatable } from './plan/node-allocatable.ts';
import type { KubeletOptions } from '../kubelet-options.ts';
import type { NodeFacts } from './plan/node-object.ts';
import type { RuntimeVersion } from '../runtime/runtime-service.ts';
import { NodeObserver, type NodeObserverOptions } from './node-observer.ts';
import { NodeRegistrar, type NodeRegistrarOptions } from './node-registrar.ts';

export type RegistrarParts = Omit<NodeObserverOptions, 'clock' | 'runtime' | 'root'> &
  Pick<NodeRegistrarOptions, 'onNode'> & { readonly nodeInformer: Informer<Node> };

/** @param version of the runtime that the node has */
export function createRegistrar(
  options: KubeletOptions,
  version: RuntimeVersion,
  parts: RegistrarParts,
): NodeRegistrar {
  const { client, clock, logger, recorder, configuration, runtime, folders } = options;
  const { nodeInformer, onNode, ...observed } = parts;
  return new NodeRegistrar({
    client,
    clock,
    logger,
    recorder,
    configuration,
    facts: nodeFacts(options, version),
    nodeInformer,
    observer: new NodeObserver({ ...observed, clock, runtime, root: folders.root }),
    onNode,
  });
}

function nodeFacts(options: KubeletOptions, { runtimeName, runtimeVersion }: RuntimeVersion): NodeFacts {
  const { machine, nodeName, nodeIPs, version, configuration } = options;
  return {
    nodeName,
    addresses: [
      ...nodeIPs.map(address => ({ type: 'InternalIP', address })),
      ...(options.extraAddresses ?? []),
      { type: 'Hostname', address: nodeName },
    ],
    systemInfo: {
      machineID: machine.machineId,
      systemUUID: machine.systemUuid,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: `${runtimeName}://${runtimeVersion}`,
      kubeletVersion: version,
      ...(machine.swapBytes === 0 ? {} : { swap: { capacity: machine.swapBytes } }),
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: machine.architecture,
    },
    cpuCount: machine.cpuCount,
    memoryBytes: machine.memoryBytes,
    hugePages: machine.hugePages,
    maxPods: maxPodsOf(configuration, machine.cpuCount),
    kubeletPort: configuration.port,
    labels: options.labels ?? {},
    taints: configuration.registerWithTaints ?? [],
    providerId: configuration.providerID === '' ? undefined : configuration.providerID,
    allocatable: capacity => nodeAllocatable(capacity, configuration),
  };
}
