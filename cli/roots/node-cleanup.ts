/**
 * What `reset` takes away of a node that runs no more: its rules, routes, bridges and sandboxes, by the same parts that made them.
 */
import { systemClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import { Logind } from '../../agent/host/logind.ts';
import { PodNetwork } from '../../agent/network/pod-network.ts';
import { ServiceRange } from '../../agent/network/service-range.ts';
import { IptablesBackend } from '../../agent/proxy/iptables-backend.ts';
import type { Config } from '../config.ts';
import type { Paths } from '../paths.ts';
import { emptyInformer } from './empty-informer.ts';
import type { NodeParts } from './node-parts.ts';

export interface NodeCleanup {
  /** Orderly removal of sandboxes, whose number it tells, gives back addresses and host ports; what fails is left to the runtime's reset. */
  removeSandboxes(): Promise<number>;
  /** @returns what there was */
  removeRules(): Promise<string[]>;
  /** @returns what there was */
  removeNetwork(): Promise<string[]>;
  /** @returns what there was */
  removeShutdownDelay(): Promise<string[]>;
}

const SANDBOX_MS = 5_000;

export function createNodeCleanup(config: Config, paths: Paths, parts: NodeParts): NodeCleanup {
  const { iptables, links, cri, sysctls } = parts;
  const log = silentLogger;
  const serviceRange = new ServiceRange({ links, serviceCIDR: config.serviceCidr[0] ?? '', localServiceIPs: [] });
  const network = new PodNetwork({
    nodes: emptyInformer(),
    nodeName: '',
    links,
    iptables,
    serviceRange,
    log,
    clock: systemClock,
    sysctls,
    clusterCIDR: config.clusterCidr[0] ?? '',
    localServiceIPs: [],
    bridge: config.podBridge,
    cniConfDir: parts.cniConfDir,
    cniIpamDir: paths.cniState,
  });
  const model = {
    nodeName: '',
    family: 'IPv4',
    localServiceIPs: new Set<string>(),
    localhostNodePorts: true,
    nodePortAddresses: 'all',
    masqueradeBit: 14,
  } as const;
  const proxy = new IptablesBackend({ iptables, node: () => model, log });
  return {
    async removeSandboxes() {
      const sandboxes = await cri.listPodSandbox(undefined, { timeoutMs: SANDBOX_MS }).catch(() => []);
      await Promise.all(sandboxes.map(s => cri.stopPodSandbox(s.id, { timeoutMs: SANDBOX_MS }).catch(() => undefined)));
      return sandboxes.length;
    },
    async removeRules() {
      const before = await iptables.save();
      const ours = [...before.values()]
        .flatMap(chains => [...chains.keys()])
        .filter(name => /^KUBE-/.test(name)).length;
      await proxy.cleanup();
      return ours === 0 ? [] : [`${ours} chains of service rules`];
    },
    removeNetwork: () => network.cleanup(),
    removeShutdownDelay: async () => ((await new Logind().restoreLongestDelay()) ? ['shutdown delay'] : []),
  };
}
